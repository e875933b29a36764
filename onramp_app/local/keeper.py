"""A process that runs one local server, and ends it when the application that started it ends.

Run as `python -I -S keeper.py JSON`; it imports only the standard library, never the application. Its
standard input is a pipe whose other end only the application holds. The kernel closes that end however the
application ends, SIGKILL included, so nothing polls, and it works the same on Linux and macOS. On Linux the
server also ends when this process is killed.

PostgreSQL refuses to run as root, so the server is started as another user, which keeps none of root's
rights: no group, no capability, and no way to gain one (capabilities(7), prctl(2)). That user may be unable
to reach a project below a folder like /root. So the paths that the server needs there are opened here, as
root, and the server gets their descriptors instead.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

STOP_SECONDS = 30
SWEEP_SECONDS = 3
# Numbers from linux/prctl.h and capability.h; they are part of the kernel's stable interface.
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = (
    1,
    24,
    38,
    47,
    4,
)
CAPABILITY_VERSION_3, CAPABILITIES = 0x20080522, 64


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to send `signal_number` to this process when its parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def become(user_id: int, group_id: int) -> None:
    """Switch this process from root to another user irrevocably, dropping all of root's rights."""
    libc = ctypes.CDLL(None)
    os.setgroups([])
    if sys.platform == "linux":
        for capability in range(CAPABILITIES):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgid(group_id)
    os.setuid(user_id)
    if sys.platform == "linux":
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        libc.capset(header, (ctypes.c_uint32 * 6)())  # effective, permitted, inheritable: none


def _opened(paths: list[str], command: list[str]) -> tuple[list[int], list[str]]:
    """Open `paths`; return their descriptors, and the command with each path replaced by its descriptor."""
    descriptors = [os.open(path, os.O_RDONLY) for path in paths]
    for path, descriptor in zip(paths, descriptors, strict=True):
        command = [part.replace(path, f"/proc/self/fd/{descriptor}") for part in command]
    return descriptors, command


def keep(  # noqa: PLR0913 -- the members of an order
    command: list[str],
    account: list[int] | None = None,
    *,
    stop_signal: int,
    lock: int | None = None,
    opened: list[str],
    removed: str | None = None,
) -> int:
    """Run `command` until it ends or standard input closes; return its exit status.

    Args:
        command: program and arguments.
        account: user and group id to run as.
        stop_signal: the signal that shuts it down cleanly.
        lock: the descriptor of a lock that it keeps holding while it runs.
        opened: paths in the command that it gets as descriptors.
        removed: a folder to delete when it has ended.
    """
    keeper = os.getpid()
    descriptors, command = _opened(opened, command)

    def prepare() -> None:
        if account is not None:
            become(*account)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # Changing the account clears this request, so it comes last (prctl(2)).
        die_with_parent(stop_signal)
        if os.getppid() != keeper:
            os._exit(1)

    # The server inherits the folder's lock, so that no second server starts while it still runs.
    passed = [*descriptors, *(() if lock is None else (lock,))]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=passed, preexec_fn=prepare)  # noqa: S603, PLW1509 -- one thread, our own command  # nosec B603

    def end_with_application() -> None:
        while os.read(0, 64):
            pass
        child.send_signal(stop_signal)
        time.sleep(STOP_SECONDS)
        child.kill()

    threading.Thread(target=end_with_application, daemon=True).start()
    status = child.wait()
    if removed is not None:
        shutil.rmtree(removed, ignore_errors=True)
    return status


def _marked_processes(marker: str) -> list[int]:
    if sys.platform == "linux":
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if marker.encode() in file.read():
                        found.append(int(name))
            except OSError:  # it has ended meanwhile, or belongs to another user
                continue
    else:
        listing = subprocess.run(  # nosec B603  # a fixed command
            ["/bin/ps", "-axEww", "-o", "pid=,command="], capture_output=True, text=True, check=False
        )
        found = [int(line.split()[0]) for line in listing.stdout.splitlines() if marker in line]
    return [pid for pid in found if pid != os.getpid()]


def _send(signal_number: int, pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            continue


def _end_marked(marker: str) -> None:
    _send(signal.SIGTERM, _marked_processes(marker))
    deadline = time.monotonic() + SWEEP_SECONDS
    while (left := _marked_processes(marker)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _send(signal.SIGKILL, left)


def sweep(marker: str, application: int) -> int:
    """End the processes that carry `marker` in their environment when the application ends.

    The application's signals arrive as bytes on standard input (signal.set_wakeup_fd). A signal sent to the
    application alone does not reach Node, and the application would wait for Node for ever.
    """
    while signals := os.read(0, 64):
        if {signal.SIGINT, signal.SIGTERM} & set(signals):
            _end_marked(marker)
        while signal.SIGHUP in signals and os.getppid() == application:
            # The terminal is gone, but the web server takes SIGHUP to mean "reload" and may lose a SIGTERM
            # that arrives while it reloads: hence repeat until it has ended.
            _send(signal.SIGTERM, [application])
            _end_marked(marker)
            time.sleep(0.5)
    _end_marked(marker)
    return 0


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    status = sweep(**order) if "marker" in order else keep(**order)
    os._exit(status if status >= 0 else 1)
