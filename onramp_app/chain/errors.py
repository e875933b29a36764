"""The errors of reading a chain through its servers."""


class ServerFailed(Exception):
    """A server gave no answer, or an implausible one. The text says which, without the server's address."""


class ServerSilent(ServerFailed):
    """The server cannot be reached, times out or answers an HTTP error, so further calls would fail too."""


class ServersAway(Exception):
    """No server of a network can be read. The text gives the reason for each one, by its host."""
