import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { cacheEntry, markComplete } from "../../../scripts/libtorch/cache.mjs";
import { defaultPins, platformName } from "../../../scripts/libtorch/locate.mjs";
import { fakePython, useTemporaryDirectory, writeFakeLibTorch } from "./fake-libtorch.js";

/** Runs `node scripts/libtorch.mjs` with nothing but the given environment. */
function libtorch(parameters: string[], env: NodeJS.ProcessEnv): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["scripts/libtorch.mjs", ...parameters], { encoding: "utf8", env });
}

describe("libtorch.mjs locate", () => {
  const directory = useTemporaryDirectory();
  const env = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
    const path = join(directory(), "empty");
    mkdirSync(path, { recursive: true });
    return { PATH: path, HOME: directory(), REVIEWKD_CACHE: join(directory(), "cache"), ...extra };
  };
  const located = (extra: NodeJS.ProcessEnv): Record<string, string> => {
    const { status, stdout, stderr } = libtorch(["locate", "--json"], env(extra));
    expect(status, stderr).to.equal(0);
    return JSON.parse(stdout) as Record<string, string>;
  };
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
    expect(located({ PATH: pythonWithTorch("2.13.0"), REVIEWKD_LIBTORCH: explicit }))
      .to.deep.equal({ directory: explicit, version: "2.12.0", variant: "cpu", source: "REVIEWKD_LIBTORCH" });
  });

  it("prefers Python's torch to the cache", async () => {
    await fillCache();
    expect(located({ PATH: pythonWithTorch("2.13.0") })).to.include({ version: "2.13.0", source: "python" });
  });

  it("passes over a torch of Python that is too old", async () => {
    const cached = await fillCache();
    expect(located({ PATH: pythonWithTorch("2.4.0") })).to.include({ directory: cached, source: "cache" });
  });

  it("never passes over a wrong REVIEWKD_LIBTORCH", async () => {
    await fillCache();
    const { status, stderr } = libtorch(["locate"], env({ REVIEWKD_LIBTORCH: join(directory(), "absent") }));
    expect(status).to.equal(1);
    expect(stderr).to.match(/^LIBTORCH_NOT_FOUND: expected .* for REVIEWKD_LIBTORCH, got no such directory/);
    expect(stderr).not.to.match(/^ +at /m);
  });

  it("finds the cache under XDG_CACHE_HOME when REVIEWKD_CACHE is not set", async () => {
    const xdg = { PATH: env()["PATH"], HOME: directory(), XDG_CACHE_HOME: join(directory(), "xdg") };
    const entry = cacheEntry(xdg, defaultPins.torch, "cpu", platformName);
    writeFakeLibTorch(join(entry, "torch"));
    await markComplete(entry);
    const { status, stdout } = libtorch(["locate", "--json"], xdg);
    expect(status).to.equal(0);
    expect(JSON.parse(stdout)).to.include({ source: "cache", directory: join(entry, "torch") });
    expect(entry).to.include(join("xdg", "reviewkd", "libtorch"));
  });

  it("lists every place it looked at, and the command that mends it", () => {
    const { status, stderr } = libtorch(["locate"], env({ PATH: pythonWithTorch("2.4.0") }));
    expect(status).to.equal(1);
    expect(stderr).to.include("LIBTORCH_NOT_FOUND").and.to.include("REVIEWKD_LIBTORCH: not set");
    expect(stderr).to.include("LIBTORCH_UNSUPPORTED_VERSION").and.to.include("got 2.4.0");
    expect(stderr).to.include(join(directory(), "cache")).and.to.include("npm run build");
  });

  it("says what it expects of its parameters", () => {
    const { status, stderr } = libtorch(["find"], env());
    expect(status).to.equal(1);
    expect(stderr).to.equal("USAGE: expected locate or install, perhaps --cuda, then perhaps --json, got find\n");
  });
});

describe("libtorch.mjs install", () => {
  const directory = useTemporaryDirectory();
  const env = (path: string): NodeJS.ProcessEnv => ({ PATH: path, HOME: directory(), REVIEWKD_CACHE: join(directory(), "cache") });

  it("says that there is no Python", () => {
    mkdirSync(join(directory(), "empty"));
    const { status, stderr } = libtorch(["install"], env(join(directory(), "empty")));
    expect(status).to.equal(1);
    expect(stderr).to.include("PYTHON_NOT_FOUND").and.to.include("got no python").and.to.include("REVIEWKD_LIBTORCH");
  });

  it("says that Python has no pip", () => {
    const path = fakePython(directory(), 'if [ "$1" = -c ]; then echo; exit 0; fi; echo "No module named pip" >&2; exit 1');
    const { status, stderr } = libtorch(["install"], env(path));
    expect(status).to.equal(1);
    expect(stderr).to.include("PIP_NOT_FOUND").and.to.include("python3-pip");
  });
});
