"""The numbers of the advisory locks, all in one place: two uses of the same number would block each other."""

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """The work that only one process of the fleet may do at a time. The numbers only have to differ."""

    MIGRATION = 7_205_338_181_114_021
    PURGE = 0x0A44_6D6F_6E65_7904
    ROLES = 0x0A44_6D6F_6E65_7907
    SEAL = 0x0A44_6D6F_6E65_7908
    TREASURY = 0x0A44_6D6F_6E65_7906
    ADJUSTMENTS = 0x0A44_6D6F_6E65_790A
    # Not a lock but the seed of many: one for each transaction on a network.
    TRANSACTIONS = 0x0A44_6D6F_6E65_7909
