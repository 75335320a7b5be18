import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { fail, jsonEvents, succeed, temporaryDirectory } from "./helpers.js";

describe("command line: libtorch", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let env: Record<string, string>;
  beforeEach(async () => {
    directory = await temporaryDirectory();
    env = { REVIEWKD_CACHE: directory.path };
  });
  afterEach(() => directory.remove());

  function installed(name: string, whole: boolean): string {
    const entry = join(directory.path, "libtorch-cuda", name);
    mkdirSync(join(entry, "torch", "lib"), { recursive: true });
    writeFileSync(join(entry, "torch", "lib", process.platform === "darwin" ? "libtorch_cpu.dylib" : "libtorch_cpu.so"),
      "1234");
    writeFileSync(join(entry, "torch", "version.py"), "__version__ = '2.14.1+cu130'\n");
    if (whole) writeFileSync(join(entry, "reviewkd-cache.json"), "{}");
    return entry;
  }

  it("lists complete and interrupted installations", async () => {
    expect((await succeed(["libtorch", "list"], { env })).stdout).to.include("no CUDA build is installed");
    const whole = installed("2.14.1-cu130-linux-x64", true);
    installed("2.15.0-cu130-linux-x64.partial", false);
    const { stdout } = await succeed(["libtorch", "list"], { env });
    expect(stdout).to.match(/^2\.14\.1-cu130-linux-x64 +2\.14\.1 +0\.00 GB +\//m).and.match(
      /^2\.15\.0-cu130-linux-x64\.partial +incomplete/m,
    );
    const [event] = jsonEvents((await succeed(["libtorch", "list", "--json"], { env })).stdout) as unknown as [
      { installed: { name: string; version: string | null; directory: string; bytes: number }[] },
    ];
    expect(event.installed.find(({ version }) => version !== null)).to.deep.equal({ name: "2.14.1-cu130-linux-x64",
      version: "2.14.1", directory: whole, bytes: 35 });
  });

  it("removes one by its name, and nothing else", async () => {
    installed("2.14.1-cu130-linux-x64", true);
    installed("2.15.0-cu130-linux-x64.partial", false);
    expect(await fail(["libtorch", "remove", "2.14"], { exit: 2, code: "UNKNOWN_NAME" }, { env })).to.include(
      "2.14.1-cu130-linux-x64",
    );
    expect((await succeed(["libtorch", "remove", "2.14.1-cu130-linux-x64"], { env })).stdout).to.include(
      "removed 2.14.1-cu130-linux-x64",
    );
    expect(await fail(["libtorch", "remove", "../libtorch-cuda"], { exit: 2, code: "UNKNOWN_NAME" }, { env })).to
      .include("2.15.0");
    await succeed(["libtorch", "remove", "2.15.0-cu130-linux-x64.partial"], { env });
    expect((await succeed(["libtorch", "list"], { env })).stdout).to.include("no CUDA build is installed");
  });

  it("explains what install requires, and why it failed", async () => {
    expect(await fail(["libtorch", "install"], { exit: 2, code: "INVALID_ARGUMENT" }, { env })).to.include("--cuda");
    const message = await fail(["libtorch", "install", "--cuda"], { exit: 1, code: "DEPENDENCY_MISSING" }, {
      env: { ...env, PATH: directory.path },
    });
    expect(message).to.include("invalid Python: expected 3.8 or later");
  });
});
