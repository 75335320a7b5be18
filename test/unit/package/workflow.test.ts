import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parse } from "yaml";
import { PLATFORMS } from "../../../lib/install/layout.js";
import { TORCH_VERSIONS } from "../../../scripts/check/libtorch-versions/pins.js";

interface Job {
  readonly needs?: string | string[];
  readonly permissions?: Record<string, string>;
  readonly strategy?: {
    readonly matrix: { readonly os?: string[]; readonly node?: number[]; readonly torch?: string[];
      readonly include?: { readonly platform: string; readonly experimental: boolean }[] };
  };
  readonly "continue-on-error"?: string;
  readonly steps: { readonly run?: string }[];
}

const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };

/** The names of all npm scripts that jobs run. */
function scriptsCalledBy(jobs: Record<string, Job>): string[] {
  return Object.values(jobs).flatMap(({ steps }) =>
    steps.flatMap(({ run = "" }) => [...run.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name!))
  );
}

describe("the release workflow", () => {
  const { jobs } = parse(readFileSync(".github/workflows/release.yml", "utf8")) as {
    jobs: Record<"binaries" | "cuda" | "main" | "test" | "libtorch" | "publish", Job>;
  };

  it("packs for every platform that the main package depends on", () => {
    expect(jobs.binaries.strategy?.matrix.include?.map(({ platform }) => platform)).to.deep.equal(PLATFORMS);
    const published = jobs.publish.steps.map(({ run }) => run ?? "").join("\n");
    expect(published).to.include(`packages/{${[...PLATFORMS, "linux-x64-cuda", "main"].join(",")}}/*.tgz`).and.include(
      "--provenance",
    );
    expect(jobs.publish.permissions).to.include({ "id-token": "write" });
  });

  it("publishes nothing that was not tested on each Node", () => {
    expect(jobs.publish.needs).to.have.members(["binaries", "cuda", "main", "test", "libtorch"]);
    expect(jobs.test.strategy?.matrix.node).to.deep.equal([20, 22, 24]);
  });

  it("builds against each pinned libtorch before it publishes", () => {
    expect(jobs.libtorch.strategy?.matrix.torch).to.deep.equal(TORCH_VERSIONS);
    expect(jobs.libtorch.steps.map(({ run }) => run)).to.include(
      "npm run check:libtorch -- --versions ${{ matrix.torch }}",
    );
  });

  it("continues without an experimental platform, and not without a tested one", () => {
    const tested = jobs.binaries.strategy?.matrix.include?.filter(({ experimental }) => !experimental).map((
      { platform },
    ) => platform);
    expect(tested).to.deep.equal(["linux-x64"]);
    expect(jobs.binaries["continue-on-error"]).to.equal("${{ matrix.experimental }}");
    expect(jobs.main.needs).to.equal("binaries");
    expect(jobs.main.steps.map(({ run }) => run)).to.include("npm run package -- --main --built built --out packages");
  });

  it("tries each platform's package where it was built", () => {
    const runs = jobs.binaries.steps.map(({ run }) => run ?? "");
    expect(runs.indexOf("npm run try:packages -- packages")).to.be.above(
      runs.indexOf("npm run package -- --out packages"),
    );
  });

  it("calls only existing npm scripts", () => {
    const called = scriptsCalledBy(jobs);
    expect(called).to.include.members(["package", "test:install"]);
    for (const name of called) expect(scripts).to.have.property(name);
  });
});

describe("the workflow of pull requests", () => {
  const workflow = parse(readFileSync(".github/workflows/ci.yml", "utf8")) as {
    on: Record<string, unknown>;
    concurrency: Record<string, string>;
    jobs: Record<"lint" | "tidy" | "test" | "coverage", Job>;
  };

  it("runs on pull requests and on main, and cancels what a newer push replaces", () => {
    expect(workflow.on).to.deep.equal({ pull_request: null, push: { branches: ["main"] } });
    expect(workflow.concurrency).to.deep.equal({ group: "ci-${{ github.ref }}",
      "cancel-in-progress": "${{ github.event_name == 'pull_request' }}" });
  });

  it("tests on three systems with each supported Node", () => {
    const { os, node } = workflow.jobs.test.strategy!.matrix;
    expect(os?.map((name) => name.split("-")[0])).to.deep.equal(["ubuntu", "macos", "windows"]);
    expect(node).to.deep.equal([20, 22, 24]);
  });

  it("runs every check that `npm test` runs", () => {
    const steps = readFileSync("scripts/test.mjs", "utf8").matchAll(/"((?:lint|typecheck|test:)[\w:]*)"/g);
    const checks = [...steps].map(([, name]) => name!);
    expect(scripts["test"]).to.equal("node scripts/test.mjs");
    expect(checks).to.include.members(["lint", "test:types", "test:native", "test:parallel", "test:serial"]);
    expect(scriptsCalledBy(workflow.jobs)).to.include.members([...checks, "lint:tidy", "coverage"]);
  });

  it("calls only existing npm scripts", () => {
    for (const name of scriptsCalledBy(workflow.jobs)) expect(scripts).to.have.property(name);
  });
});
