// Systems that refuse what the package tries at its start: each refusal is a finding of `doctor`, never its end.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { run } from "../../lib/install/process.js";
import { install, installPlatform } from "./installed.js";

interface Report {
  readonly addonPath: string | null;
  readonly fix: string | null;
  readonly findings: readonly { readonly about: string; readonly reason: string; readonly fix: string | null }[];
}

describe("on a system that refuses", () => {
  let project: string;
  let main: string;
  before(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-hostile-"));
    main = install(project);
    installPlatform(main);
  });
  after(() => {
    rmSync(project, { recursive: true, force: true });
  });

  /** The doctor's report on the installation; fails if it does not end by itself. */
  async function examine(env: Readonly<Record<string, string>>, words: readonly string[] = [],
    program = process.execPath): Promise<Report> {
    const { signal, stdout, output } = await run(program, [...words, join(main, "dist", "cli", "main.js"), "doctor",
      "--json"], { cwd: project, env: { PATH: process.env["PATH"], HOME: project, ...env } });
    expect(signal, output).to.equal(null);
    expect(output).to.not.include("INTERNAL");
    return (JSON.parse(stdout) as { readonly installation: Report }).installation;
  }

  function expectFindings({ addonPath, findings }: Report, ...expected: [about: string, reason: RegExp][]): void {
    expect(addonPath).to.be.a("string");
    expect(findings.map(({ about }) => about)).to.deep.equal(expected.map(([about]) => about));
    for (const [index, [, reason]] of expected.entries()) expect(findings[index]?.reason).to.match(reason);
  }

  const forLinux = process.platform === "linux" ? undefined : "needs Linux";

  it(`a cache that Node's own mkdir never makes is a finding${forLinux === undefined ? "" : ` (skipped: ${forLinux})`}`,
    async function () {
      if (forLinux !== undefined) this.skip();
      expectFindings(await examine({ XDG_CACHE_HOME: "/proc/nonexistent" }), ["cache", /remembered: ENOENT/]);
    });

  it("a cache that is a file, a link to itself or a link to nothing is one", async () => {
    const file = join(project, "file");
    writeFileSync(file, "");
    const loop = join(project, "loop");
    symlinkSync(loop, loop);
    const dangling = join(project, "dangling");
    symlinkSync(join(project, "nothing"), dangling);
    expectFindings(await examine({ REVIEWKD_CACHE: file }), ["cache", /CUDA libtorch cannot be looked for/], ["cache",
      /cannot be remembered/]);
    expectFindings(await examine({ REVIEWKD_CACHE: loop }), ["cache", /links form a loop/], ["cache",
      /ELOOP|links form a loop/]);
    expectFindings(await examine({ REVIEWKD_CACHE: dangling }), ["cache", /cannot be remembered/]);
  });

  const asOther = ["--reuid", "4242", "--regid", "4242", "--clear-groups", process.execPath];
  const noOther = process.platform === "linux" && process.getuid?.() === 0 && existsSync("/usr/bin/setpriv") ? undefined
    : "needs to become another user on Linux";
  it(
    `a user without a home, and a cache of another user, are findings${noOther === undefined ? "" : ` (skipped: ${noOther})`}`,
    async function () {
      if (noOther !== undefined) this.skip();
      const cache = mkdtempSync(join(tmpdir(), "reviewkd-hidden-"));
      chmodSync(project, 0o755);
      try {
        const homeless = await examine({ HOME: "" }, asOther, "setpriv");
        expect(homeless.findings[0]?.reason).to.match(/expected a user with a home directory/);
        const refused = await examine({ REVIEWKD_CACHE: cache }, asOther, "setpriv");
        expect(refused.findings[0]).to.deep.include({ about: "cache" }).and.have.property("reason").that.includes(
          "permission denied",
        );
      } finally {
        rmSync(cache, { recursive: true });
      }
    },
  );

  it("a Node without addons is a fault with its fix", async () => {
    const { addonPath, fix } = await examine({}, ["--no-addons"]);
    expect([addonPath, fix]).to.deep.equal([null,
      "start Node without `--no-addons`, and with `--allow-addons` where it runs with `--permission`"]);
  });

  it("a Node that may start no process and read no other files loads the addon, with findings", async () => {
    const permission = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission"
      : "--experimental-permission";
    const report = await examine({ REVIEWKD_CACHE: join(project, "cache") }, [permission, "--allow-addons",
      "--allow-fs-read=*"]);
    expectFindings(report, ["trial", /no process may be started here/]);
    const blind = await examine({}, [permission, `--allow-fs-read=${project}/*`, `--allow-fs-read=${process.cwd()}/*`]);
    expect(blind.addonPath).to.equal(null);
  });

  it(
    `an application that is started in the child's place is started once${process.platform === "win32" ? " (skipped: needs a shell)" : ""}`,
    async function () {
      if (process.platform === "win32") this.skip();
      const starts = join(project, "starts");
      // Named as Node is, or otherwise: as Node it is started a second time, with the mark, and starts no third.
      for (const [name, count] of [["application", 1], ["node", 2]] as const) {
        rmSync(starts, { force: true });
        const program = join(project, name);
        writeFileSync(join(project, "app.mjs"), `import { appendFileSync, readFileSync } from "node:fs";
        appendFileSync(${JSON.stringify(starts)}, "x");
        if (readFileSync(${JSON.stringify(starts)}).length > 4) process.exit(0);
        Object.defineProperty(process, "execPath", { value: ${JSON.stringify(program)} });
        const { createModel } = await import(${JSON.stringify(pathToFileURL(join(main, "dist", "index.js")))});
        const { startWorker } = await import(${JSON.stringify(pathToFileURL(join(main, "dist", "worker", "index.js")))});
        console.log((await createModel("resnet8", { numClasses: 2 })).name);
        if (${JSON.stringify(name)} === "application")
          console.log(await startWorker().then((worker) => worker.close(), (error) => error.code));`);
        writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${join(project, "app.mjs")}" "$@"\n`);
        chmodSync(program, 0o755);
        const { stdout, output } = await run(program, [], { cwd: project,
          env: { PATH: process.env["PATH"], HOME: project, REVIEWKD_CACHE: join(project, `cache-${name}`) } });
        expect(stdout, output).to.equal(name === "application" ? "resnet8\nDEPENDENCY_MISSING\n" : "resnet8\n");
        expect(readFileSync(starts, "utf8"), output).to.have.lengthOf(count);
      }
    },
  );
});
