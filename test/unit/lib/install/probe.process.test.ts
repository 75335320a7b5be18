import { appendFileSync, chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { checkoutAddonPath } from "../../../../lib/install/load.js";
import { probe } from "../../../../lib/install/probe.js";
import { CHILD_MARK } from "../../../../lib/install/runtime.js";

const LOADS = { findings: [] };

describe("probe", () => {
  let cache: string;
  const own = Object.getOwnPropertyDescriptor(process, "execPath")!;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), "reviewkd-probe-"));
  });
  afterEach(() => {
    rmSync(cache, { recursive: true, force: true });
    Object.defineProperty(process, "execPath", own);
    Reflect.deleteProperty(process.env, CHILD_MARK);
  });

  const addon = checkoutAddonPath();

  it("remembers a binary that loads, once", () => {
    for (let time = 0; time < 2; ++time) expect(probe({ addon, libraries: [] }, cache)).to.deep.equal(LOADS);
    expect(readdirSync(join(cache, "loads"))).to.have.lengthOf(1);
  });

  it("reports the linker's message for one that does not load, and does not cache it", () => {
    const bad = join(cache, "bad.node");
    writeFileSync(bad, "no library");
    const { failure, findings } = probe({ addon: bad, libraries: [] }, cache);
    expect(failure).to.deep.include({ signal: null }).and.have.property("message").that.includes("file too short");
    expect(findings).to.deep.equal([]);
    expect(readdirSync(cache)).to.deep.equal(["bad.node"]);
  });

  it("tests a binary again after a library that it loads has changed", () => {
    const library = join(cache, "library");
    for (const text of ["a", "ab"]) {
      writeFileSync(library, text);
      probe({ addon, libraries: [library] }, cache);
    }
    expect(readdirSync(join(cache, "loads"))).to.have.lengthOf(2);
  });

  it("works with a cache that cannot be written, which is a finding", () => {
    const file = join(cache, "file");
    writeFileSync(file, "");
    const { failure, findings } = probe({ addon, libraries: [] }, file);
    expect(failure).to.equal(undefined);
    expect(findings.map(({ about }) => about)).to.deep.equal(["cache"]);
    expect(findings[0]?.reason).to.match(/cannot be remembered: E(NOTDIR|EXIST|NOENT)/);
    expect(findings[0]?.fix).to.match(/^set REVIEWKD_CACHE/);
  });

  it("starts no process where the mark of one is, nor where the program is not known to be Node", () => {
    const bad = join(cache, "bad.node");
    writeFileSync(bad, "no library");
    process.env[CHILD_MARK] = "trial";
    expect(probe({ addon: bad, libraries: [] }, cache)).to.deep.equal({ findings: [] });
    Reflect.deleteProperty(process.env, CHILD_MARK);
    Object.defineProperty(process, "execPath", { ...own, value: "/opt/application" });
    const { failure, findings } = probe({ addon: bad, libraries: [] }, cache);
    expect(failure).to.equal(undefined);
    expect(findings[0]).to.deep.include({ about: "trial", fix: null }).and.have.property("reason")
      .that.includes('/opt/application is a program that is not named "node"');
  });

  it("does not take the end of another program that is named as Node is for the addon's", function () {
    if (process.platform === "win32") {
      this.test!.title += " (skipped: needs a shell)";
      this.skip();
    }
    const program = join(cache, "node");
    appendFileSync(program, `#!/bin/sh\necho "$${CHILD_MARK}" >> "${join(cache, "starts")}"\nexit 3\n`);
    chmodSync(program, 0o755);
    Object.defineProperty(process, "execPath", { ...own, value: program });
    const { failure, findings } = probe({ addon, libraries: [] }, cache);
    expect(failure).to.equal(undefined);
    expect(findings[0]?.reason).to.include("did not run as Node (exit code 3)");
    expect(readFileSync(join(cache, "starts"), "utf8")).to.equal("trial\n");
  });
});
