import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "chai";
import { isHangUpIgnored } from "../../../lib/runs/hang-up.js";
import { scratchDirectory } from "./small-run.js";

describe("isHangUpIgnored", () => {
  const at = scratchDirectory();

  /** Describes processes as Linux does. */
  function describeProcesses(processes: Readonly<Record<string, Readonly<Record<string, string>>>>): string {
    rmSync(at("proc"), { recursive: true, force: true });
    for (const [pid, files] of Object.entries(processes)) {
      for (const [name, content] of Object.entries(files)) {
        const path = at("proc", pid, name);
        mkdirSync(dirname(path), { recursive: true });
        if (content.startsWith("-> ")) symlinkSync(content.slice(3), path);
        else writeFileSync(path, content);
      }
    }
    return at("proc");
  }

  const NODE = { exe: "-> /usr/bin/node" };
  const status = (ignored: string, parent = 1): string => `Name:\tx\nPPid:\t${parent}\nSigIgn:\t${ignored}\n`;
  const ignores = (processes: Parameters<typeof describeProcesses>[0]): boolean =>
    isHangUpIgnored({ env: { _: "/usr/bin/node" }, ppid: 7, proc: describeProcesses(processes) });

  it("knows nohup by the shell's variable", () => {
    expect(isHangUpIgnored({ env: { _: "/usr/bin/nohup" }, ppid: 1, proc: at("none") })).to.equal(true);
    expect(isHangUpIgnored({ env: { _: "/usr/bin/node" }, ppid: 1, proc: at("none") })).to.equal(false);
    expect(isHangUpIgnored({ env: {}, ppid: 1, proc: at("none") })).to.equal(false);
  });

  it("knows nohup by the standard input that it gives", () => {
    expect(ignores({ self: { ...NODE, "fd/0": "-> /dev/null", "fdinfo/0": "pos:\t0\nflags:\t0100001\n" } })).to.equal(
      true,
    );
  });

  it("takes /dev/null that can be read for what a shell gives to a background process", () => {
    expect(ignores({ self: { ...NODE, "fd/0": "-> /dev/null", "fdinfo/0": "pos:\t0\nflags:\t0100000\n" } })).to.equal(
      false,
    );
    expect(ignores({ self: { ...NODE, "fd/0": "-> /dev/pts/3", "fdinfo/0": "flags:\t0100001\n" } })).to.equal(false);
  });

  it("follows a parent that ignores the signal", () => {
    const bash = { exe: "-> /usr/bin/bash" };
    expect(ignores({ self: NODE, 7: { ...bash, status: status("0000000000000001") } })).to.equal(true);
    expect(ignores({ self: NODE, 7: { ...bash, status: status("0000000000001000") } })).to.equal(false);
  });

  it("looks behind parents that are Node, which forget it, and no further", () => {
    const bash = { exe: "-> /usr/bin/bash" };
    const npx = { ...NODE, status: status("0000000000001000", 8) };
    expect(ignores({ self: NODE, 7: npx, 8: { ...bash, status: status("0000000000000001") } })).to.equal(true);
    expect(ignores({ self: NODE, 9: {}, 7: { ...bash, status: status("0", 8) } })).to.equal(false);
  });
});
