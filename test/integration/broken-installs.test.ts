import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { expect } from "chai";
import { checkoutAddonPath } from "../../lib/install/load.js";
import { readLibrary } from "../../scripts/package/elf.js";
import { run } from "../../lib/install/process.js";
import { built, install, installPlatform, manifest, moduleThat, platform, renamed, verdictOn, version,
  type Difference } from "./installed.js";
import { jsonEvents, reviewkd, succeed } from "./helpers.js";

const NO_PACKAGE = { "REVIEWKD_LIBTORCH": "absent", "cuda-libtorch": "absent", "platform-package": "absent",
  "checkout": "absent" };
const BAD_PACKAGE = { ...NO_PACKAGE, "platform-package": "failed" };
/** Any other platform that there is a package for. */
const ELSEWHERE = platform === "darwin-arm64" ? "linux-x64" : "darwin-arm64";

describe("a broken installation", () => {
  let project: string;
  let main: string;
  const messages = new Map<string, string>();

  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-broken-"));
    main = install(project);
  });
  afterEach(() => {
    rmSync(project, { recursive: true, force: true });
  });

  async function expectVerdict(what: string,
    expected: { code?: string; message: RegExp | string; fix: RegExp | string; outcomes: object },
    from = main): Promise<void> {
    const { code, message, fix, outcomes } = await verdictOn(from);
    expect(message).to.match(new RegExp(expected.message));
    expect({ code, outcomes }).to.deep.equal({ code: expected.code ?? "ADDON_LOAD_FAILED",
      outcomes: expected.outcomes });
    if (expected.fix instanceof RegExp) expect(fix).to.match(expected.fix);
    else expect(fix).to.equal(expected.fix);
    expect(message.endsWith(`To fix it: ${fix}`)).to.equal(true);
    messages.set(what, message.replaceAll(project, ""));
  }

  describe("without the platform package", () => {
    const expectAbsence = (what: string, message: RegExp, fix: string, from = main): Promise<void> =>
      expectVerdict(what, { code: "ADDON_NOT_FOUND", message, fix, outcomes: NO_PACKAGE }, from);

    it("says that npm left optional dependencies out", () =>
      expectAbsence("npm", /npm was set to omit optional dependencies \(--omit=optional/,
        "npm install --include=optional"));

    it("says that yarn left optional dependencies out", async () => {
      writeFileSync(join(project, "yarn.lock"), "");
      await expectAbsence("yarn", /yarn was set to omit optional dependencies/, "yarn install --force");
    });

    it("says that it is missing in pnpm's layout", async () => {
      const inside = install(project, join("node_modules", ".pnpm", `reviewkd@${version}`, "node_modules"));
      await expectAbsence("pnpm", /not in pnpm's layout next to .*--no-optional.*supportedArchitectures/,
        "pnpm install --force", inside);
    });

    it("says that node_modules came from another platform", async () => {
      installPlatform(main, { name: ELSEWHERE, addon: null });
      await expectAbsence("copied",
        new RegExp(`@reviewkd/${ELSEWHERE} is: node_modules was installed on another platform`),
        "rm -rf node_modules && npm install");
    });

    it("says that the lock file came from another platform", async () => {
      const packages = { "": {}, "node_modules/reviewkd": {}, [`node_modules/@reviewkd/${ELSEWHERE}`]: {} };
      writeFileSync(join(project, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages }));
      await expectAbsence("lock file",
        /package-lock\.json does not list it: the lock file was written on another platform/,
        `npm install --save-optional @reviewkd/${platform}@${version}`);
    });

    it("says that this user may not read it", async function () {
      if (process.getuid?.() !== 0 || process.platform !== "linux") {
        this.test!.title += " (skipped: needs to become another user on Linux)";
        this.skip();
      }
      const hidden = installPlatform(main);
      chmodSync(project, 0o755);
      chmodSync(hidden, 0o700);
      const { status, stdout } = await run("setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups",
        process.execPath, join(main, "dist", "cli", "main.js"), "doctor", "--json"], { cwd: project,
        env: { PATH: process.env["PATH"], HOME: "/nonexistent" } });
      expect(status, stdout).to.equal(1);
      const [event] = jsonEvents(stdout) as unknown as [{ faults: { message: string; fix: string }[] }];
      expect(event.faults[0]?.message).to.include(`this user cannot read ${hidden}`);
      expect(event.faults[0]?.fix).to.match(/^let this user read/);
    });

    it("says that a bundler left it behind", async () => {
      const bundle = join(project, "app", "dist", "bundle.mjs");
      await build({ entryPoints: [join(main, "dist", "index.js")], bundle: true, platform: "node", format: "esm",
        outfile: bundle, logLevel: "silent",
        external: Object.keys({ ...manifest.dependencies, echarts: 0, sharp: 0 }) });
      // The bundle is taken to where the package is not installed.
      rmSync(main, { recursive: true });
      const { status, stdout } = await run(process.execPath, ["-e",
        `import(${JSON.stringify(bundle)}).then((m) => m.listModels()).catch((e) => console.log(e.code, e.message))`]);
      expect(status).to.equal(0);
      expect(stdout).to.match(/^ADDON_NOT_FOUND .*a bundler copied it.*keep reviewkd out of the bundle/s);
      messages.set("bundled", stdout);
    });
  });

  describe("with a platform package", () => {
    const expectRefusal = (what: string, difference: Difference, message: RegExp,
      fix: RegExp | string): Promise<void> => {
      installPlatform(main, difference);
      return expectVerdict(what, { message, fix, outcomes: BAD_PACKAGE });
    };
    /** The versions that binaries of this machine's compiler require. */
    const needs: { glibc: string; glibcxx: string } = { glibc: "", glibcxx: "" };
    before(async function () {
      if (process.platform !== "linux") this.skip();
      needs.glibc = (await readLibrary(join(dirname(checkoutAddonPath()), "preload.node"))).glibc ?? "";
      needs.glibcxx = (await readLibrary(checkoutAddonPath())).glibcxx ?? "";
    });
    /** A binary that requires a version too new to exist. */
    const newerVersion = (name: "reviewkd.node" | "preload.node", library: string,
      found: string): { addon: Buffer; version: string } => {
      const newer = `9${found.slice(1)}`;
      return { addon: renamed(built(name), `${library}_${found}`, `${library}_${newer}`), version: newer };
    };
    const REINSTALL = "rm -rf node_modules/reviewkd node_modules/@reviewkd && npm install";

    it("of another version names both versions", () =>
      expectRefusal("version", { version: "0.0.1" },
        new RegExp(`invalid @reviewkd/${platform}: expected ${version.replaceAll(".", "\\.")}, .*, received 0\\.0\\.1`),
        `npm install reviewkd@${version} --force`));

    it("for another C library names that library", () =>
      expectRefusal("libc", { libc: ["musl"] }, /invalid C library: expected musl, received glibc/,
        /^use a system with glibc/));

    it("that requires a newer glibc names both versions", () =>
      expectRefusal("glibc", { reviewkd: { glibc: "9.99" } }, /invalid glibc: expected 9\.99 or later, received \d/,
        /^use a newer system/));

    it("whose binary alone requires a newer glibc is refused by the linker", () => {
      const { addon, version: newer } = newerVersion("preload.node", "GLIBC", needs.glibc);
      return expectRefusal("glibc, linker", { addon },
        new RegExp(`invalid glibc: expected ${newer} or later, received \\d`), /^use a newer system/);
    });

    it("that requires a newer libstdc++ names its version", () => {
      const { addon, version: newer } = newerVersion("reviewkd.node", "GLIBCXX", needs.glibcxx);
      return expectRefusal("libstdc++", { addon },
        new RegExp(`invalid libstdc\\+\\+: expected one with GLIBCXX_${newer}, received an older one`),
        /^use a newer system/);
    });

    it("that requires instructions which the processor lacks names them", () =>
      expectRefusal("processor", { reviewkd: { instructionSets: ["avx9"] } },
        /invalid processor: expected AVX9, received one without/, /^use a processor with AVX9/));

    it("without its addon says that it was not unpacked to its end", () =>
      expectRefusal("no addon", { addon: null },
        /expected reviewkd\.node in .*, received none, since the package was not completely unpacked/,
        "rm -rf node_modules/@reviewkd && npm install"));

    it("without a library of its own names the library", () =>
      expectRefusal("library", { addon: renamed(built("reviewkd.node"), "libtorch_cpu.so", "libtorch_gpu.so") },
        /libtorch_gpu\.so is missing in /, REINSTALL));

    it("that is cut short says so", () =>
      expectRefusal("damaged", { addon: built("reviewkd.node").subarray(0, 20_000) },
        /a library is damaged or incomplete/, REINSTALL));

    it("built with another libtorch names the symbol", () =>
      expectRefusal("symbol", {
        addon: renamed(built("reviewkd.node"), "napi_create_function", "napi_create_fumction"),
      }, /built with another libtorch.*napi_create_fumction/, /^unset LD_LIBRARY_PATH/));

    it("that ends its process is an error and no crash", () =>
      expectRefusal("crash", { addon: moduleThat("abort();", project) },
        /it ended its process with SIGABRT when a child process loaded it, so it is not loaded here/, REINSTALL));

    it("with an instruction that the processor does not have says so", () =>
      expectRefusal("instruction", { addon: moduleThat("__builtin_trap();", project) }, /SIGILL|AVX2/,
        new RegExp(`^${REINSTALL}$|AVX2`)));

    it("in an archive of Electron's says how to unpack it", async () => {
      // Electron shows what is in an archive as if it lay in a directory of that name.
      installPlatform(main);
      renameSync(project, `${project}.asar`);
      try {
        const { message, fix } = await verdictOn(join(`${project}.asar`, "node_modules", "reviewkd"));
        expect(message).to.match(/are inside an Electron archive/);
        expect(fix).to.include('asarUnpack: ["**/node_modules/@reviewkd/**"]');
        messages.set("archive", message);
      } finally {
        rmSync(`${project}.asar`, { recursive: true, force: true });
      }
    });
  });

  describe("with REVIEWKD_LIBTORCH", () => {
    beforeEach(() => {
      installPlatform(main);
    });

    it("naming nothing passes nothing over", async () => {
      const { message, fix, outcomes } = await verdictOn(main, { REVIEWKD_LIBTORCH: join(project, "nowhere") });
      expect(message).to.match(/expected a libtorch .*, received none in .*nowhere/);
      expect(fix).to.equal("set REVIEWKD_LIBTORCH to a libtorch, or unset it");
      expect(outcomes).to.deep.equal({ REVIEWKD_LIBTORCH: "failed" });
      messages.set("no libtorch", message);
    });

    it("of another version names both", async () => {
      mkdirSync(join(project, "torch", "lib"), { recursive: true });
      writeFileSync(join(project, "torch", "lib", "libtorch_cpu.so"), "");
      writeFileSync(join(project, "torch", "version.py"), "__version__ = '2.11.0+cpu'\n");
      const { message, fix, outcomes } = await verdictOn(main, { REVIEWKD_LIBTORCH: project });
      expect(message).to.match(/expected 2\.14\.1, which the addon was built with, received 2\.11\.0/);
      expect(fix).to.equal("unset REVIEWKD_LIBTORCH, or set it to that version");
      expect(outcomes).to.deep.equal({ REVIEWKD_LIBTORCH: "failed" });
      messages.set("other libtorch", message);
    });
  });

  describe("of whatever kind", () => {
    it("has a message of its own", () => {
      expect(messages.size).to.be.at.least(20);
      expect(new Set(messages.values()).size).to.equal(messages.size);
    });
  });
});

describe("an installation", () => {
  let project: string;
  let main: string;
  let env: Record<string, string>;

  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-installed-"));
    main = install(project);
    env = { REVIEWKD_CACHE: join(project, "cache"), REVIEWKD_LIBTORCH: "" };
  });
  afterEach(() => {
    rmSync(project, { recursive: true, force: true });
  });

  async function placesOf(more: Record<string, string> = {}): Promise<Record<string, string>> {
    const { stdout } = await succeed(["doctor", "--json"], { package: main, env: { ...env, ...more } });
    const [event] = jsonEvents(stdout) as unknown as [
      { installation: { attempts: { place: string; outcome: string }[] } },
    ];
    return Object.fromEntries(event.installation.attempts.map(({ place, outcome }) => [place, outcome]));
  }

  it("takes the platform package and asks no further", async () => {
    installPlatform(main);
    expect(await placesOf()).to.deep.equal({ "REVIEWKD_LIBTORCH": "absent", "cuda-libtorch": "absent",
      "platform-package": "loaded" });
  });

  it("remembers that a binary loads until its file changes", async () => {
    const directory = installPlatform(main);
    const path = join(directory, "reviewkd.node");
    const time = new Date(1_700_000_000_000);
    utimesSync(path, time, time);
    await placesOf();
    const bad = moduleThat("abort();", project);
    writeFileSync(path, Buffer.concat([bad, Buffer.alloc(built("reviewkd.node").length - bad.length)]));
    // With the same size and time it is not tried in a child process again, and the process itself is killed.
    utimesSync(path, time, time);
    expect((await reviewkd(["doctor"], { package: main, env })).signal).to.equal("SIGABRT");
    writeFileSync(path, bad);
    expect((await verdictOn(main)).message).to.include("SIGABRT when a child process loaded it");
  });

  it("uses the libtorch that REVIEWKD_LIBTORCH names in place of its own", async () => {
    installPlatform(main);
    const { libtorch } = jsonEvents((await succeed(["doctor", "--json"])).stdout)[0] as unknown as {
      libtorch: { path: string };
    };
    mkdirSync(join(project, "torch"));
    // Its own name for the same files: the run path of the addon knows the other name alone.
    symlinkSync(libtorch.path, join(project, "torch", "lib"));
    writeFileSync(join(project, "torch", "version.py"), "__version__ = '2.14.1+cpu'\n");
    expect(await placesOf({ REVIEWKD_LIBTORCH: project })).to.deep.equal({ REVIEWKD_LIBTORCH: "loaded" });
  });

  it("says of an installed CUDA libtorch why it is not used", async () => {
    installPlatform(main);
    const entry = join(env["REVIEWKD_CACHE"]!, "libtorch-cuda", "2.14.1-cu130", "torch", "lib");
    mkdirSync(entry, { recursive: true });
    writeFileSync(join(entry, "libtorch_cpu.so"), "");
    // An entry that is not marked as complete counts as absent.
    expect((await placesOf())["cuda-libtorch"]).to.equal("absent");
    writeFileSync(join(entry, "..", "..", "reviewkd-cache.json"), "{}");
    expect((await placesOf())["platform-package"]).to.equal("loaded");
  });
});
