"""A process that runs one local server, and ends it when the program that asked for it ends.

Run as `python -I -S keeper.py JSON`; it imports nothing but the standard library and never the
application. Its standard input is a pipe whose other end only the application holds. The kernel
closes that end however the application ends, SIGKILL included, so nothing polls, and it works the
same on Linux and macOS. On Linux the server also ends when this process is killed.

As root, PostgreSQL refuses to run, so the server is started as another user, which keeps nothing of root:
no group, no capability, and no way to gain one (capabilities(7), prctl(2)). Such a user may be unable to
walk to a project below a folder like /root. So what the server needs there is opened here, as root, and
the server is given the descriptors instead of the paths.
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
    """Turn this process from root into another user for good, with nothing left of root."""
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
    """Open `paths` and return the descriptors, and the command with them in place of the paths."""
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
        stop_signal: what ends it in an orderly manner.
        lock: a descriptor that it goes on holding.
        opened: paths of the command that it gets as descriptors.
        removed: a folder that is deleted when it has ended.
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

    # The server holds the folder's lock itself, so that nobody else starts one while it still runs.
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
            except OSError:  # it ended meanwhile, or is somebody else's
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

    The application's signals arrive as bytes on standard input (signal.set_wakeup_fd). Node is not
    reached by a signal to the application alone, and the application would wait for it for ever.
    """
    while signals := os.read(0, 64):
        if {signal.SIGINT, signal.SIGTERM} & set(signals):
            _end_marked(marker)
        while signal.SIGHUP in signals and os.getppid() == application:
            # The terminal is gone, but the web server takes the signal for "reload", and may forget a
            # request to end that arrives while it does so: hence again until it has ended.
            _send(signal.SIGTERM, [application])
            _end_marked(marker)
            time.sleep(0.5)
    _end_marked(marker)
    return 0


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    status = sweep(**order) if "marker" in order else keep(**order)
    os._exit(status if status >= 0 else 1)
