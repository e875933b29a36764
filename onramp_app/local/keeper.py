"""A process of its own that runs one local server and ends it when the program that asked ends.

Run as `python -I -S keeper.py JSON`; it imports nothing but the standard library and never the
application. Its standard input is a pipe whose other end only the application holds. The kernel
closes that end however the application ends, SIGKILL included, so nothing polls, and it works the
same on Linux and macOS. On Linux the server also ends when this process is killed.

As root, PostgreSQL refuses to run, so the server is started as an ordinary account. Such an account
may be unable to reach a virtual environment or a project below a folder like /root. Opening those
folders would change rights that are not ours, and copying 40 MB of binaries elsewhere does not help
the data; so the server keeps one capability, to pass by the rights of folders, and nothing else of
root (capabilities(7), "Ambient"). Where a container withholds it, the ordinary rights apply.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

STOP_SECONDS = 30
SWEEP_SECONDS = 3
# Numbers from linux/prctl.h, securebits.h and capability.h; they are part of the kernel's stable interface.
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 28, 47, 2
SECBIT_NO_SETUID_FIXUP, SECBIT_KEEP_CAPS = 4, 16
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to send `signal_number` to this process when its parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def _keep_only_passing_folders(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then their upper halves
    libc.capget(header, held)
    # Reading and searching suffices; containers often grant only the wider one.
    kept = next((c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if held[1] & 1 << c), None)
    mask = 0 if kept is None else 1 << kept
    libc.capset(header, (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0))
    if kept is not None:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept, 0, 0)


def become(user_id: int, group_id: int) -> None:
    """Turn this process from root into an ordinary account for good."""
    libc = ctypes.CDLL(None)
    if sys.platform == "linux":
        # Otherwise setuid takes the capability, and access(2), which initdb asks, does not count it.
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS, 0, 0, 0)
    os.setgroups([])
    os.setgid(group_id)
    os.setuid(user_id)
    if sys.platform == "linux":
        _keep_only_passing_folders(libc)


def keep(
    command: list[str], account: list[int] | None = None, *, stop_signal: int, lock: int | None = None
) -> int:
    """Run `command` until it ends or standard input closes; return its exit status."""
    keeper = os.getpid()

    def prepare() -> None:
        if account is not None:
            become(*account)
        # Changing the account clears this request, so it comes last (prctl(2)).
        die_with_parent(stop_signal)
        if os.getppid() != keeper:
            os._exit(1)

    # The server holds the folder's lock itself, so that nobody else starts one while it still runs.
    locks = () if lock is None else (lock,)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=locks, preexec_fn=prepare)  # noqa: S603, PLW1509 -- one thread, our own command  # nosec B603

    def end_with_application() -> None:
        while os.read(0, 64):
            pass
        child.send_signal(stop_signal)
        time.sleep(STOP_SECONDS)
        child.kill()

    threading.Thread(target=end_with_application, daemon=True).start()
    return child.wait()


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
