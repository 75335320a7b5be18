// The package inside other people's test runners, bundlers and runtimes: each does the same small thing with it.
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync,
  writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { expect } from "chai";
import { run, type RunResult } from "../../lib/install/process.js";
import { install, installPlatform, platform } from "../integration/installed.js";
import { expectSuccess } from "./registry.js";

const modules = join(import.meta.dirname, "node_modules");

/** The body of every program: a prediction, an error with its code, the state of the installation, and a worker. */
const BODY = `
async function use(via) {
  const model = await createModel("resnet8", { numClasses: 2, seed: 1 });
  const { logits } = await model.forward(Tensor.from(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]));
  const error = await createModel("resnet21").catch((error) => error);
  const { addonPath, findings } = inspectInstallation();
  const worker = via === undefined ? undefined : await workerWith(via);
  return { shape: [...logits.shape], values: Array.from(logits.toTypedArray()), code: error.code, addonPath, findings,
    isOurs: isReviewKdError(error), worker };
}
async function workerWith(via) {
  try {
    const rk = await startWorker({ via });
    const model = await rk.createModel("resnet8", { numClasses: 2, seed: 1 });
    await rk.close();
    return model.name;
  } catch (error) {
    return error.code + " " + error.message;
  }
}
`;
const NAMES = "createModel, inspectInstallation, isReviewKdError, Tensor";
const ES_MODULE = `import { ${NAMES} } from "reviewkd";\nimport { startWorker } from "reviewkd/worker";\n${BODY}`;
const COMMON_JS =
  `const { ${NAMES} } = require("reviewkd");\nconst { startWorker } = require("reviewkd/worker");\n${BODY}`;
const print = (via?: string): string =>
  `use(${via === undefined ? "" : JSON.stringify(via)}).then((result) => console.log(JSON.stringify(result)));\n`;

interface Used {
  readonly shape: number[];
  readonly values: number[];
  readonly code: string;
  readonly isOurs: boolean;
  readonly addonPath: string;
  readonly findings: readonly { readonly about: string; readonly reason: string }[];
  readonly worker?: string;
}

/** The program file of a tool among those of test/install; undefined if it is not installed. */
function tool(...path: string[]): string | undefined {
  const file = join(modules, ...path);
  return existsSync(file) ? file : undefined;
}

/** The first of the binaries that npm has chosen for this platform. */
const binary = (...candidates: string[][]): string | undefined =>
  candidates.map((path) => tool(...path)).find((path) => path !== undefined);

describe("the package in other programs", function () {
  this.timeout(300_000);
  this.slow(20_000);

  let project: string;
  let main: string;
  before(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-embedding-"));
    main = install(project);
    installPlatform(main);
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "user-project", private: true }));
  });
  after(() => {
    rmSync(project, { recursive: true, force: true });
  });

  function write(name: string, text: string, below = project): string {
    const path = join(below, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  const start = (program: string, words: readonly string[], cwd = project, env: NodeJS.ProcessEnv = {}) =>
    run(program, words, { cwd,
      env: { ...process.env, NODE_OPTIONS: "", ...env, REVIEWKD_CACHE: join(project, "cache") } });

  async function succeed(what: string, program: string, words: readonly string[], cwd?: string): Promise<RunResult> {
    const result = await start(program, words, cwd);
    expectSuccess(what, result);
    return result;
  }

  function used(stdout: string): Used {
    return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Used;
  }

  /** @param findings - What the installation is expected to say about itself. */
  function expectUse(found: Used, findings: RegExp[] = [], home = project): void {
    expect(found).to.deep.include({ shape: [1, 2], code: "UNKNOWN_NAME", isOurs: true,
      addonPath: join(home, "node_modules", "@reviewkd", platform, "reviewkd.node") });
    expect(found.values.every(Number.isFinite)).to.equal(true);
    expect(found.findings, JSON.stringify(found.findings)).to.have.lengthOf(findings.length);
    for (const [index, pattern] of findings.entries()) expect(found.findings[index]?.reason).to.match(pattern);
  }

  /** Copies the binaries alone into a folder, as for a bundle that contains the package's code. */
  function withBinariesAlone(name: string): string {
    const home = mkdtempSync(join(tmpdir(), `reviewkd-${name}-`));
    cpSync(join(project, "node_modules", "@reviewkd"), join(home, "node_modules", "@reviewkd"), { recursive: true });
    return home;
  }

  it("is required by CommonJS programs", async () => {
    const { stdout } = await succeed("node", process.execPath, [write("required.cjs", COMMON_JS + print("process"))]);
    expectUse(used(stdout));
    expect(used(stdout).worker).to.equal("resnet8");
  });

  it("is the same module for require and import where Node can require ES modules", async function () {
    const program = write("both.cjs", `import("reviewkd").then((imported) => {
      console.log(process.features.require_module === true, imported.Tensor === require("reviewkd").Tensor);
    });`);
    const { stdout } = await succeed("node", process.execPath, [program]);
    if (stdout.startsWith("false")) {
      this.test!.title += " (skipped: this Node cannot)";
      this.skip();
    }
    expect(stdout).to.equal("true true\n");
  });

  it("has a CommonJS form for a Node that cannot require ES modules", async () => {
    const program = write("old.cjs", COMMON_JS + print("worker"));
    const { stdout } = await succeed("node", process.execPath, ["--no-experimental-require-module", program]);
    expectUse(used(stdout));
    expect(used(stdout).worker).to.equal("resnet8");
  });

  describe("Jest", () => {
    const jest = tool("jest", "bin", "jest.js");
    const expectation = `test("use", async () => {
      const result = await use("process");
      expect(result).toMatchObject({ shape: [1, 2], code: "UNKNOWN_NAME", isOurs: true, findings: [] });
      expect(result.worker).toBe("resnet8");
    });\n`;

    it(`runs it in two files of one process, without settings${jest === undefined ? " (skipped: no Jest)" : ""}`,
      async function () {
        if (jest === undefined) this.skip();
        // The second file has modules and classes of its own, and loads the addon again.
        const folder = join(project, "jest");
        for (const name of ["first.test.js", "second.test.js"]) write(name, COMMON_JS + expectation, folder);
        write("package.json", "{}", folder);
        const { output } = await succeed("jest", process.execPath, [jest, "--runInBand"], folder);
        expect(output).to.match(/Tests: +2 passed, 2 total/);
      });

    it(`runs it in ES modules${jest === undefined ? " (skipped: no Jest)" : ""}`, async function () {
      if (jest === undefined) this.skip();
      const folder = join(project, "jest-esm");
      write("use.test.mjs", ES_MODULE + expectation, folder);
      write("package.json", JSON.stringify({ jest: { testMatch: ["**/*.test.mjs"], transform: {} } }), folder);
      const { output } = await succeed("jest", process.execPath, ["--experimental-vm-modules", jest, "--runInBand"],
        folder);
      expect(output).to.match(/Tests: +1 passed, 1 total/);
    });
  });

  const vitest = tool("vitest", "vitest.mjs");
  it(`runs in Vitest, in threads and in processes${vitest === undefined ? " (skipped: no Vitest)" : ""}`,
    async function () {
      if (vitest === undefined) this.skip();
      const folder = join(project, "vitest");
      write("use.test.mjs",
        `import { expect, test } from ${JSON.stringify(pathToFileURL(join(modules, "vitest", "dist", "index.js")))};\n${ES_MODULE}
      test("use", async () => {
        expect(await use("process")).toMatchObject({ shape: [1, 2], code: "UNKNOWN_NAME", findings: [], worker: "resnet8" });
      });`, folder);
      write("package.json", "{}", folder);
      for (const pool of ["threads", "forks"]) {
        const { output } = await succeed("vitest", process.execPath, [vitest, "run", `--pool=${pool}`, "--no-color"],
          folder);
        expect(output).to.match(/Tests +1 passed/);
      }
    });

  describe("esbuild", () => {
    for (const format of ["esm", "cjs"] as const) {
      const suffix = format === "esm" ? "mjs" : "cjs";
      it(`leaves it out of a bundle in the format ${format}`, async () => {
        const outfile = join(project, "dist", `external.${suffix}`);
        await build({ entryPoints: [write("app.mjs", ES_MODULE + print("process"))], bundle: true, platform: "node",
          format, outfile, external: ["reviewkd"], logLevel: "silent" });
        const found = used((await succeed("node", process.execPath, [outfile])).stdout);
        expectUse(found);
        expect(found.worker).to.equal("resnet8");
      });
    }

    it("bundles its code, with the binaries next to the bundle; a worker then says what it lacks", async () => {
      const home = withBinariesAlone("bundled");
      const outfile = join(home, "app.cjs");
      await build({ entryPoints: [write("app.mjs", ES_MODULE + print("process"))], bundle: true, platform: "node",
        format: "cjs", outfile, external: ["sharp", "echarts"], logLevel: "silent" });
      const found = used((await succeed("node", process.execPath, [outfile], home)).stdout);
      expectUse(found, [], home);
      expect(found.worker).to.match(/^DEPENDENCY_MISSING .*Keep reviewkd out of the bundle/);
      rmSync(home, { recursive: true });
    });
  });

  const webpack = tool("webpack", "lib", "index.js");
  it(`stays out of a bundle of webpack${webpack === undefined ? " (skipped: no webpack)" : ""}`, async function () {
    if (webpack === undefined) this.skip();
    const entry = write("app.mjs", ES_MODULE + print("process"));
    const settings = { mode: "production", target: "node", context: project, entry,
      output: { path: join(project, "dist"), filename: "webpack.js" },
      externals: { "reviewkd": "commonjs reviewkd", "reviewkd/worker": "commonjs reviewkd/worker" } };
    await succeed("webpack", process.execPath, ["-e",
      `require(${JSON.stringify(webpack)})(${JSON.stringify(settings)}, (error, stats) => {
        if (error || stats.hasErrors() || stats.hasWarnings()) throw error ?? new Error(stats.toString());
      });`]);
    const found = used((await succeed("node", process.execPath, [join(project, "dist", "webpack.js")])).stdout);
    expectUse(found);
    expect(found.worker).to.equal("resnet8");
  });

  const vite = tool("vite", "dist", "node", "index.js");
  it(`stays out of a server's bundle of Vite${vite === undefined ? " (skipped: no Vite)" : ""}`, async function () {
    if (vite === undefined) this.skip();
    const entry = write("app.mjs", ES_MODULE + print("process"));
    const settings = { root: project, logLevel: "error", configFile: false, build: { ssr: entry, outDir: "dist/vite" },
      ssr: { external: ["reviewkd"] } };
    await succeed("vite", process.execPath, ["--input-type=module", "-e",
      `const { build } = await import(${JSON.stringify(pathToFileURL(vite))}); await build(${JSON.stringify(settings)});`]);
    const found = used((await succeed("node", process.execPath, [join(project, "dist", "vite", "app.mjs")])).stdout);
    expectUse(found);
    expect(found.worker).to.equal("resnet8");
  });

  const postject = tool("postject", "dist", "cli.js");
  const whyNoExecutable = postject === undefined ? "no postject"
    : process.platform === "linux" ? undefined : "tested on Linux alone";
  it(`loads in a single executable application, which is started once${whyNoExecutable === undefined ? "" : ` (skipped: ${whyNoExecutable})`}`, async function () {
    if (postject === undefined || whyNoExecutable !== undefined) this.skip();
    const home = withBinariesAlone("single");
    const starts = join(home, "starts");
    const entry = write("single.mjs", `import { appendFileSync } from "node:fs";\n${ES_MODULE}
      const starts = ${JSON.stringify(starts)};
      appendFileSync(starts, "x");
      ${print("process")}`);
    await build({ entryPoints: [entry], bundle: true, platform: "node", format: "cjs", outfile: join(home, "app.cjs"),
      external: ["sharp", "echarts"], logLevel: "silent" });
    write("sea.json", JSON.stringify({ main: "app.cjs", output: "app.blob", disableExperimentalSEAWarning: true }),
      home);
    await succeed("node --experimental-sea-config", process.execPath, ["--experimental-sea-config", "sea.json"], home);
    const application = join(home, "application");
    copyFileSync(process.execPath, application);
    chmodSync(application, 0o755);
    await succeed("postject", process.execPath, [postject, application, "NODE_SEA_BLOB", "app.blob", "--sentinel-fuse",
      "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2"], home);
    const found = used((await succeed("the application", application, [], home)).stdout);
    expectUse(found, [/is a single executable application, which cannot be started again/], home);
    expect(found.worker).to.match(/^DEPENDENCY_MISSING /);
    expect(readFileSync(starts, "utf8")).to.equal("x");

    // With the package installed next to it, a process still needs a Node: the application would start itself.
    cpSync(join(project, "node_modules", "reviewkd"), join(home, "node_modules", "reviewkd"), { recursive: true });
    expect(used((await succeed("the application", application, [], home)).stdout).worker).to.match(
      /^DEPENDENCY_MISSING invalid execPath: .*a single executable application/,
    );
    rmSync(home, { recursive: true });
  });

  const deno = binary(
    ...["linux-x64-glibc", "linux-arm64-glibc", "darwin-arm64"].map((name) => ["@deno", name, "deno"]),
  );
  describe("Deno", () => {
    it(`runs it with all permissions${deno === undefined ? " (skipped: no Deno)" : ""}`, async function () {
      if (deno === undefined) this.skip();
      const program = write("deno.mjs", ES_MODULE + print("worker"));
      const found = used(
        (await succeed("deno", deno, ["run", "--allow-all", "--node-modules-dir=manual", program])).stdout,
      );
      expectUse(found, [/is Deno, which cannot be started again/]);
      expect(found.worker).to.equal("resnet8");
    });

    it(`says which permission it lacks${deno === undefined ? " (skipped: no Deno)" : ""}`, async function () {
      if (deno === undefined) this.skip();
      const program = write("deno-doctor.mjs",
        `import { inspectInstallation } from "reviewkd";\nconsole.log(JSON.stringify(inspectInstallation()));`);
      const { stdout } = await succeed("deno", deno, ["run", "--allow-read", "--allow-env", "--allow-sys",
        "--no-prompt", "--node-modules-dir=manual", program]);
      expect(JSON.parse(stdout)).to.deep.include({ addonPath: null, fix: "start Deno with `--allow-ffi`" });
    });
  });

  const bun = binary(
    ...["linux-x64", "linux-aarch64", "darwin-aarch64"].map((name) => ["@oven", `bun-${name}`, "bin", "bun"]),
  );
  it(`runs in Bun, imported and required${bun === undefined ? " (skipped: no Bun)" : ""}`, async function () {
    if (bun === undefined) this.skip();
    for (const program of [write("bun.mjs", ES_MODULE + print("worker")), write("bun.cjs", COMMON_JS + print())]) {
      const found = used((await succeed("bun", bun, [program])).stdout);
      expectUse(found, [/is Bun, which cannot be started again/]);
      if (program.endsWith("mjs")) expect(found.worker).to.equal("resnet8");
    }
  });

  describe("TypeScript", () => {
    const SOURCE = `import { createModel, fit, schemas, Tensor, type FitEvent } from "reviewkd";
      import { startWorker, type WorkerExit } from "reviewkd/worker";
      export async function use(): Promise<[number | undefined, WorkerExit]> {
        const model = await createModel("resnet8", { numClasses: 2, seed: 1 });
        const { logits } = await model.forward(Tensor.from(new Float32Array(3072), [1, 3, 32, 32]));
        const worker = await startWorker({ via: "process" });
        const name: string = (await worker.createModel("resnet8")).name;
        // @ts-expect-error a name is no number
        const wrong: number = name;
        return [logits.shape[0], await worker.close()];
      }
      export type Event = FitEvent;
      export const all = { fit, schemas };\n`;
    const oldest = tool("typescript-oldest", "bin", "tsc");
    const newest = tool("typescript-newest", "bin", "tsc");
    const checks: readonly (readonly [string, string | undefined, Record<string, unknown>, readonly string[]])[] = [
      ["5.5 in a CommonJS project", oldest, { module: "commonjs", moduleResolution: "node", esModuleInterop: true }, [
        "use.ts",
      ]],
      ["5.5 in ES modules and CommonJS modules", oldest, { module: "node16", esModuleInterop: true }, ["use.mts",
        "use.cts"]],
      ["7 in ES modules and CommonJS modules", newest, { module: "nodenext" }, ["use.mts", "use.cts"]],
      ["7 for a bundler", newest, { module: "esnext", moduleResolution: "bundler" }, ["use.ts"]],
    ];
    for (const [name, compiler, options, files] of checks) {
      it(`${name} checks its declarations, without any of Node${compiler === undefined ? " (skipped: no TypeScript)" : ""}`, async function () {
        if (compiler === undefined) this.skip();
        const folder = join(project, "types", name.replaceAll(/\W/g, "-"));
        for (const file of files) write(file, SOURCE, folder);
        write("tsconfig.json",
          JSON.stringify({ files,
            compilerOptions: { target: "es2022", lib: ["es2022"], strict: true, skipLibCheck: false, types: [],
              noEmit: true, preserveSymlinks: true, ...options } }), folder);
        await succeed("tsc", process.execPath, [compiler, "-p", "."], folder);
      });
    }
  });
});
