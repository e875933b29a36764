"""A client for the wallet's API for programs: its people, debits, add-money links and webhooks."""

from wallet_client.calls import WalletError
from wallet_client.returns import is_genuine_return
from wallet_client.routes import Wallet

__all__ = ["Wallet", "WalletError", "is_genuine_return"]
