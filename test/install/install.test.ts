// A user's installation: an empty folder, a package manager, a script. On a machine with only Node.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync,
  copyFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { readLibrary } from "../../scripts/package/elf.js";
import { run } from "../../lib/install/process.js";
import { packInstalled, runTimeDependencies } from "./dependencies.js";
import { expectSuccess, npm, startRegistry, version, type Registry } from "./registry.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const PLATFORMS = { "linux-x64": ["linux", "x64"], "linux-arm64": ["linux", "arm64"],
  "darwin-arm64": ["darwin", "arm64"], "win32-x64": ["win32", "x64"] };
/** The newest of each line that the registry has. */
const NODES = ["20.20.2", "22.23.3", "24.21.0"];

/**
 * npm's errors if its registry cannot be reached. With REVIEWKD_ALL_NODES=1, as in the release, that is a failure too.
 */
const UNREACHABLE =
  /\b(?:EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENOTCACHED)\b/;

/** The owner of the licence for each library of the platform package. */
const LICENCES: readonly (readonly [RegExp, string])[] = [
  [/^lib(torch|c10)/, "torch"],
  [/^libgomp/, "gcc-runtime"],
  [/^libcudart/, "nvidia-cuda-runtime"],
  [/^libcupti/, "nvidia-cuda-cupti"],
];

const readManifest = (package_: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(package_, "package.json"), "utf8")) as Record<string, unknown>;

interface Packed {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
  readonly sha256: string;
}

async function packInto(out: string): Promise<Packed[]> {
  const result = await run(process.execPath, ["--import", "tsx", join(root, "scripts", "package.ts"), "--out", out], {
    cwd: root,
    env: process.env,
  });
  expectSuccess("npm run package", result);
  return result.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Packed);
}

describe("packages from a registry", function () {
  this.timeout(600_000);
  this.slow(120_000);

  let directory: string;
  let registry: Registry | undefined;
  let packed: Packed[];
  let packedAgain: Packed[];
  /** The environment of a machine with only Node. */
  let bare: Record<string, string>;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-install-"));
    const started = await startRegistry(join(directory, "registry"));
    registry = started;
    const publishAll = async (paths: readonly string[], tag?: string): Promise<void> => {
      for (const path of paths) await started.publish(path, tag);
    };
    [packed, packedAgain] = await Promise.all([
      packInto(join(directory, "packages")),
      packInto(join(directory, "again")),
      packInstalled(runTimeDependencies(root), join(directory, "dependencies")).then(
        // npm refuses to tag an older version of a dependency as the latest one.
        (paths) => publishAll(paths, "dependency"),
      ),
    ]);
    await publishAll(packed.map(({ path }) => path));
    // Other platforms' packages cannot be built here. Placeholders make the registry complete, as it is for users:
    // every name exists, and one matches.
    for (const [name, [os, cpu]] of Object.entries(PLATFORMS).filter(([name]) => name !== platform)) {
      const package_ = join(directory, "placeholders", name);
      mkdirSync(package_, { recursive: true });
      writeFileSync(join(package_, "package.json"),
        JSON.stringify({ name: `@reviewkd/${name}`, version, os: [os], cpu: [cpu],
          description: "A placeholder for tests." }));
      await started.publish(package_);
    }
    const bin = join(directory, "bin");
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, "node"));
    bare = { PATH: bin, HOME: join(directory, "home") };
    mkdirSync(bare["HOME"]!);
  });

  after(async () => {
    await registry?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** An empty folder with the package managers' configuration of the registry. */
  function emptyProject(name: string): string {
    const project = join(directory, name);
    mkdirSync(project);
    writeFileSync(join(project, "package.json"),
      JSON.stringify({ name: "user-project", private: true, type: "module" }));
    writeFileSync(join(project, ".npmrc"), `registry=${registry!.url}\n`);
    writeFileSync(join(project, ".yarnrc.yml"),
      [`npmRegistryServer: "${registry!.url}"`, "unsafeHttpWhitelist: [127.0.0.1]", "enableTelemetry: false",
        "enableGlobalCache: false", "npmMinimalAgeGate: 0", ""].join("\n"));
    copyFileSync(join(root, "test", "install", "distill.mjs"), join(project, "distill.mjs"));
    return project;
  }

  async function inProject(project: string, program: string, ...words: string[]): Promise<string> {
    const result = await run(process.execPath, [program, ...words], { cwd: project, env: bare });
    expectSuccess([program, ...words].join(" "), result);
    return result.stdout;
  }

  function expectDistilled(stdout: string): { addonPath: string; node: string } {
    const said = JSON.parse(stdout) as { losses: number[]; addonPath: string; libtorch: string; node: string };
    expect(said.losses).to.have.lengthOf(2);
    expect(said.losses.every((loss) => Number.isFinite(loss) && loss > 0)).to.equal(true);
    expect(said.libtorch).to.match(/^2\.\d+\.\d+$/);
    return said;
  }

  async function timed<Value>(what: string, action: () => Promise<Value>): Promise<Value> {
    const start = performance.now();
    const value = await action();
    console.log(`        ${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    return value;
  }

  it("have the same bytes when the same checkout is packed again", () => {
    expect(packedAgain.map(({ name, sha256 }) => [name, sha256])).to.deep.equal(
      packed.map(({ name, sha256 }) => [name, sha256]),
    );
    for (const { name, bytes, unpackedBytes } of packed)
      console.log(`        ${name}: ${(bytes / 1e6).toFixed(1)} MB, ${(unpackedBytes / 1e6).toFixed(1)} MB unpacked`);
  });

  it("stay below the size limit of a registry", () => {
    const [main, binaries] = packed.map(({ bytes }) => bytes);
    // The ES modules with maps that contain their sources, and the CommonJS form.
    expect(main).to.be.below(1.5e6);
    expect(binaries).to.be.below(130e6);
  });

  it("install with npm into an empty folder and distill", async () => {
    const project = emptyProject("npm");
    await timed("npm install",
      () => inProject(project, npm, "install", "reviewkd", "--ignore-scripts", "--no-audit", "--no-fund"));
    console.log(`        node_modules: ${(sizeOf(join(project, "node_modules")) / 1e6).toFixed(1)} MB`);
    expect(readdirSync(join(project, "node_modules", "@reviewkd"))).to.deep.equal([platform]);
    expect(await inProject(project, npm, "ls", "--all")).to.not.match(/invalid|extraneous|missing|UNMET DEPENDENCY/);
    const { addonPath } = expectDistilled(await inProject(project, "distill.mjs"));
    expect(addonPath).to.equal(join(project, "node_modules", "@reviewkd", platform, "reviewkd.node"));
    expect(existsSync(join(project, "student.safetensors"))).to.equal(true);

    rmSync(join(project, "node_modules"), { recursive: true });
    await inProject(project, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund");
    expectDistilled(await inProject(project, "distill.mjs"));
  });

  it("contain no scripts, and stripped libraries with their licences", async () => {
    const modules = join(directory, "npm", "node_modules");
    const main = readManifest(join(modules, "reviewkd"));
    const own = readManifest(join(modules, "@reviewkd", platform));
    expect([main["scripts"], own["scripts"]]).to.deep.equal([undefined, undefined]);
    expect(own).to.deep.include({ os: [process.platform], cpu: [process.arch],
      ...(process.platform === "linux" ? { libc: ["glibc"] } : {}) });
    expect(
      readdirSync(join(modules, "reviewkd"), { recursive: true, encoding: "utf8" }).filter((name) =>
        /\.(node|so|dll|dylib)(\.|$)/.test(name)
      ),
    ).to.deep.equal([]);
    if (process.platform !== "linux") return;

    const binaries = join(modules, "@reviewkd", platform);
    expect(readdirSync(binaries).filter((name) => name.endsWith(".node")).sort()).to.deep.equal(["preload.node",
      "reviewkd.node"]);
    const libraries = readdirSync(binaries).filter((name) => /\.so(\.|$)/.test(name));
    expect(libraries).to.include.members(["libtorch_cpu.so", "libc10.so"]);
    for (const name of libraries) {
      const [, folder] = LICENCES.find(([pattern]) => pattern.test(name)) ?? [];
      expect(folder, `a licence for ${name}`).to.be.a("string");
      expect(readdirSync(join(binaries, "licenses", folder!)), name).to.not.deep.equal([]);
    }
    for (const name of [...libraries, "reviewkd.node", "preload.node"]) {
      const { needed, runPath } = await readLibrary(join(binaries, name));
      // Found in their own directory, wherever it is, or part of the system.
      expect(needed.filter((other) => libraries.includes(other)).length === 0 || runPath.includes("$ORIGIN"),
        `${name}: ${runPath.join(":")}`).to.equal(true);
      expect(runPath.filter((path) => path.startsWith("/")), name).to.deep.equal([]);
      const sections = await run("readelf", ["--wide", "--sections", join(binaries, name)]);
      expectSuccess("readelf", sections);
      expect(sections.stdout.match(/ \.(debug_\w+|symtab) /g), name).to.equal(null);
    }
    const { glibc, glibcxx, instructionSets, contains } = own["reviewkd"] as Record<string, unknown>;
    expect([glibc, glibcxx].every((asked) => typeof asked === "string")).to.equal(true);
    // The required instruction sets are among those that the code uses.
    if (process.arch === "x64")
      expect(contains).to.include.members([...(instructionSets as string[]), "avx2", "avx512f"]);
    console.log(
      `        requires glibc ${String(glibc)}, GLIBCXX_${String(glibcxx)} and ${String(instructionSets)}; contains ${String(contains)}`,
    );
  });

  describe("on Node", () => {
    let project: string;
    before(async () => {
      project = emptyProject("nodes");
      await inProject(project, npm, "install", "reviewkd", "--ignore-scripts", "--no-audit", "--no-fund");
    });

    for (const node of NODES) {
      it(`${node}, from the registry's node package, distill`, async function () {
        const binary = await nodeFromRegistry(node);
        if (typeof binary !== "string") {
          console.log(`        skipped on Node ${node}: ${binary.reason}`);
          this.skip();
        }
        const result = await run(binary, ["distill.mjs"], { cwd: project,
          env: { ...bare, REVIEWKD_CACHE: join(directory, `cache-${node}`) } });
        expectSuccess(`Node ${node}`, result);
        expect(expectDistilled(result.stdout).node).to.equal(`v${node}`);
      });
    }
  });

  /**
   * Downloads Node through npm as it is configured on this machine, the only download here. An unreachable registry is
   * reported; other errors fail.
   */
  async function nodeFromRegistry(node: string): Promise<string | { readonly reason: string }> {
    const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
    const prefix = join(directory, `node-${node}`);
    mkdirSync(prefix);
    const install = ["install", "--prefix", prefix, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts",
      "--prefer-offline", "--fetch-retries=1", `${name}@${node}`];
    const { status, output } = await run(process.execPath, [npm, ...install], { cwd: prefix, env: process.env });
    const unreachable = UNREACHABLE.exec(output);
    // @env REVIEWKD_ALL_NODES tests: `1`: a version of Node that cannot be installed is a failure. Default: it is
    // reported and left out.
    if (status !== 0 && unreachable !== null && process.env["REVIEWKD_ALL_NODES"] !== "1")
      return { reason: `npm reaches no registry here (${unreachable[0]})` };
    if (status !== 0) throw new Error(`npm install ${name}@${node} exited with ${String(status)}:\n${output}`);
    return join(prefix, "node_modules", name, "bin", "node");
  }

  it("install with pnpm, also after optional dependencies were left out", async () => {
    const pnpm = join(import.meta.dirname, "node_modules", "pnpm", "bin", "pnpm.cjs");
    const project = emptyProject("pnpm");
    const store = ["--store-dir", join(directory, "pnpm-store")];
    await inProject(project, pnpm, "add", "reviewkd", "--ignore-scripts", "--no-optional", ...store);
    await expectFixed(project, /not in pnpm's layout/, "pnpm install --force",
      () => inProject(project, pnpm, "install", "--force", "--ignore-scripts", ...store));
    rmSync(join(project, "node_modules"), { recursive: true });
    await timed("pnpm install", () => inProject(project, pnpm, "install", "--ignore-scripts", ...store));
    expectDistilled(await inProject(project, "distill.mjs"));
  });

  for (const linker of ["pnp", "node-modules"]) {
    it(`install with yarn, linked by ${linker}`, async () => {
      const yarn = join(import.meta.dirname, "node_modules", "@yarnpkg", "cli-dist", "bin", "yarn.js");
      const project = emptyProject(`yarn-${linker}`);
      writeFileSync(join(project, ".yarnrc.yml"),
        `${readFileSync(join(project, ".yarnrc.yml"), "utf8")}nodeLinker: ${linker}\nenableScripts: false\n`);
      writeFileSync(join(project, "yarn.lock"), "");
      await timed("yarn add", () => inProject(project, yarn, "add", "reviewkd"));
      expectDistilled(await inProject(project, yarn, "node", "distill.mjs"));
    });
  }

  /** Checks that the doctor names the fault and the fix, and that the fix works. */
  async function expectFixed(project: string, message: RegExp, fix: string,
    applyFix: () => Promise<unknown>): Promise<void> {
    const doctor = join(project, "node_modules", "reviewkd", "dist", "cli", "main.js");
    const { status, stdout } = await run(process.execPath, [doctor, "doctor", "--json"], { cwd: project, env: bare });
    expect(status, stdout).to.equal(1);
    const [fault] = (JSON.parse(stdout) as { faults: { message: string; fix: string }[] }).faults;
    expect(fault!.message).to.match(message);
    expect(fault!.fix).to.equal(fix);
    await applyFix();
    expectDistilled(await inProject(project, "distill.mjs"));
  }

  describe("whose binaries npm left out", () => {
    const install = ["install", "--ignore-scripts", "--no-audit", "--no-fund"];

    it("come with the command that the doctor names", async () => {
      const project = emptyProject("omitted");
      await inProject(project, npm, ...install, "reviewkd", "--omit=optional");
      await expectFixed(project, /npm was set to omit optional dependencies/, "npm install --include=optional",
        () => inProject(project, npm, ...install, "--include=optional"));
    });

    it("come after node_modules was installed for another platform", async () => {
      const project = emptyProject("elsewhere");
      const [name, [os, cpu]] = Object.entries(PLATFORMS).find(([other]) =>
        other !== platform && !other.startsWith(process.platform)
      )!;
      await inProject(project, npm, ...install, "reviewkd", `--os=${os!}`, `--cpu=${cpu!}`);
      await expectFixed(project, new RegExp(`@reviewkd/${name} is: node_modules was installed on another platform`),
        "rm -rf node_modules && npm install", async () => {
        rmSync(join(project, "node_modules"), { recursive: true });
        await inProject(project, npm, ...install);
      });
    });

    it("come if the lock file does not list them", async () => {
      const project = emptyProject("lock");
      await inProject(project, npm, ...install, "reviewkd", "--omit=optional");
      const lock = join(project, "package-lock.json");
      const { packages, ...rest } = JSON.parse(readFileSync(lock, "utf8")) as { packages: Record<string, unknown> };
      // npm writes this on a platform where node_modules already existed.
      const others = Object.entries(packages).filter(([path]) => path !== `node_modules/@reviewkd/${platform}`);
      writeFileSync(lock, JSON.stringify({ ...rest, packages: Object.fromEntries(others) }));
      await expectFixed(project, /the lock file was written on another platform/,
        `npm install --save-optional @reviewkd/${platform}@${version}`,
        () => inProject(project, npm, ...install, "--save-optional", `@reviewkd/${platform}@${version}`));
    });
  });
});

function sizeOf(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(directory, entry.name);
    return sum + (entry.isDirectory() ? sizeOf(path) : entry.isFile() ? statSync(path).size : 0);
  }, 0);
}
