"""Why a chain could not be read."""


class ServerFailed(Exception):
    """A server did not answer, or with something that cannot be believed. The text says what; no address."""


class ServerSilent(ServerFailed):
    """The server cannot be reached, or does not answer in time: whatever else is asked waits in vain."""


class ServersAway(Exception):
    """No server of a network can be read. The text says for each of them why, by its host."""
