import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { cacheEntry, markComplete, platformName } from "../../../../lib/install/cache.js";
import { locateLibTorch, type LocatedLibTorch } from "../../../../lib/install/locate.js";
import { python, requirePip } from "../../../../lib/install/pip.js";
import { defaultPins } from "../../../../lib/install/pins.js";
import { failureOf } from "../../../support/errors.js";
import { fakePython, useTemporaryDirectory, writeFakeLibTorch } from "./fake-libtorch.js";

describe("locateLibTorch", () => {
  const directory = useTemporaryDirectory();
  const env = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
    const path = join(directory(), "empty");
    mkdirSync(path, { recursive: true });
    return { PATH: path, HOME: directory(), REVIEWKD_CACHE: join(directory(), "cache"), ...extra };
  };
  const located = (extra: NodeJS.ProcessEnv): Promise<LocatedLibTorch> => locateLibTorch(env(extra));
  const pythonWithTorch = (version: string): string => {
    const torch = join(directory(), "python-torch");
    writeFakeLibTorch(torch, { version });
    return fakePython(directory(), `echo '${torch}'`);
  };
  const fillCache = async (): Promise<string> => {
    const entry = cacheEntry(env(), defaultPins.torch, "cpu", platformName);
    writeFakeLibTorch(join(entry, "torch"));
    await markComplete(entry);
    return join(entry, "torch");
  };

  it("prefers REVIEWKD_LIBTORCH to Python's torch and to the cache", async () => {
    await fillCache();
    const explicit = join(directory(), "explicit");
    writeFakeLibTorch(explicit, { version: "2.12.0" });
    expect(await located({ PATH: pythonWithTorch("2.13.0"), REVIEWKD_LIBTORCH: explicit }))
      .to.deep.equal({ directory: explicit, version: "2.12.0", variant: "cpu", source: "REVIEWKD_LIBTORCH" });
  });

  it("prefers Python's torch to the cache", async () => {
    await fillCache();
    expect(await located({ PATH: pythonWithTorch("2.13.0") })).to.include({ version: "2.13.0", source: "python" });
  });

  it("passes over a torch of Python that is too old", async () => {
    const cached = await fillCache();
    expect(await located({ PATH: pythonWithTorch("2.4.0") })).to.include({ directory: cached, source: "cache" });
  });

  it("never passes over a wrong REVIEWKD_LIBTORCH", async () => {
    await fillCache();
    const error = await failureOf("FILE_NOT_FOUND", () => located({ REVIEWKD_LIBTORCH: join(directory(), "absent") }));
    expect(error.message).to.match(/^invalid REVIEWKD_LIBTORCH: expected .*, received no such directory/);
  });

  it("finds the cache under XDG_CACHE_HOME when REVIEWKD_CACHE is not set", async () => {
    const xdg = { PATH: env()["PATH"], HOME: directory(), XDG_CACHE_HOME: join(directory(), "xdg") };
    const entry = cacheEntry(xdg, defaultPins.torch, "cpu", platformName);
    writeFakeLibTorch(join(entry, "torch"));
    await markComplete(entry);
    expect(await locateLibTorch(xdg)).to.include({ source: "cache", directory: join(entry, "torch") });
    expect(entry).to.include(join("xdg", "reviewkd", "libtorch"));
  });

  it("lists every place that it searched, and the command that fixes it", async () => {
    const { message } = await failureOf("DEPENDENCY_MISSING", () => located({ PATH: pythonWithTorch("2.4.0") }));
    expect(message).to.include("REVIEWKD_LIBTORCH: not set").and.to.include("FILE_UNSUPPORTED").and.to.include(
      "received 2.4.0",
    );
    expect(message).to.include(join(directory(), "cache")).and.to.include("npm run build");
  });
});

describe("requirePip", () => {
  const directory = useTemporaryDirectory();

  it("reports a missing Python", async () => {
    const { message } = await failureOf("DEPENDENCY_MISSING", () => requirePip({ PATH: directory() }));
    expect(message).to.include("received no python").and.to.include("REVIEWKD_LIBTORCH");
  });

  it("reports a Python without pip", async () => {
    const interpreter = execFileSync(python, ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
    // Without the directories of installed packages.
    const path = fakePython(directory(), `exec "${interpreter}" -S "$@"`);
    // An empty folder of this name can be imported, but not run.
    mkdirSync(join(directory(), "modules/pip"), { recursive: true });
    for (const modules of [directory(), join(directory(), "modules")]) {
      const { message } = await failureOf("DEPENDENCY_MISSING", () => requirePip({ PATH: path, PYTHONPATH: modules }));
      expect(message).to.include("without pip").and.to.include("python3-pip");
    }
  });
});

describe("scripts/libtorch.ts", () => {
  const run = (...parameters: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, ["--import", "tsx", "scripts/libtorch.ts", ...parameters], { encoding: "utf8" });

  it("prints the located libtorch as JSON for CMake", () => {
    const { status, stdout, stderr } = run("locate", "--json");
    expect(status, stderr).to.equal(0);
    expect(JSON.parse(stdout)).to.include.keys("directory", "version", "variant", "source");
  });

  it("rejects unknown arguments", () => {
    const { status, stderr } = run("find");
    expect(status).to.equal(1);
    expect(stderr).to.equal(
      "USAGE: invalid arguments: expected locate or install, then --json or nothing, received find. Use `locate` to download nothing.\n",
    );
  });
});
