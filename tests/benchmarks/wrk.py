"""Runs `wrk` with requests that were written before the load, so that only the server is measured."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Each line of the file is a request: its headers and, after the last tab, its body.
_LUA = """
local requests, at = {}, 0
init = function()
  for line in io.lines("%s") do
    local headers, body = {["content-type"] = "application/json"}, nil
    for part in line:gmatch("[^\\t]+") do
      local name, value = part:match("^([%%w-]+): (.*)$")
      if name then headers[name] = value else body = part end
    end
    requests[#requests + 1] = wrk.format("POST", "%s", headers, body)
  end
end
request = function()
  at = at %% #requests + 1
  return requests[at]
end
done = function(summary, latency, requests)
  io.write(string.format("errors %%d\\n", summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """The result of a run of `wrk`: answers a second, the 99th percentile as `wrk` prints it, and errors."""

    a_second: float
    p99: str
    errors: int


def write_script(folder: Path, name: str, path: str, requests: Iterable[tuple[dict[str, str], str]]) -> Path:
    """Write the requests' headers and bodies, and a script that posts them in turn. Returns the script."""
    lines, script = folder / f"{name}.requests", folder / f"{name}.lua"
    with lines.open("w") as file:
        for headers, body in requests:
            file.write("\t".join([*(f"{key}: {value}" for key, value in headers.items()), body]) + "\n")
    script.write_text(_LUA % (lines, path))
    return script


def post(url: str, script: Path, *, seconds: int) -> Load:
    """Post the requests of the script as fast as 128 connections allow."""
    command = ["wrk", "-t1", "-c128", f"-d{seconds}s", "--timeout=10s", "--latency", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = [re.search(pattern, output) for pattern in (r"99%\s+(\S+)", r"errors (\d+)")]
    assert all(figures), output
    p99, errors = (found[1] if found else "" for found in figures)
    return Load(float(re.findall(r"Requests/sec:\s+([\d.]+)", output)[0]), p99, int(errors))
