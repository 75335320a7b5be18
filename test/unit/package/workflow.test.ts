import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parse } from "yaml";
import { PLATFORMS } from "../../../lib/install/layout.js";
import { TORCH_VERSIONS } from "../../../scripts/check/libtorch-versions/pins.js";

interface Job {
  readonly needs?: string | string[];
  readonly permissions?: Record<string, string>;
  readonly strategy?: { readonly matrix: { readonly node?: number[]; readonly torch?: string[]; readonly include?: { readonly platform: string; readonly experimental: boolean }[] } };
  readonly "continue-on-error"?: string;
  readonly steps: { readonly run?: string }[];
}

describe("the release workflow", () => {
  const { jobs } = parse(readFileSync(".github/workflows/release.yml", "utf8")) as { jobs: Record<"binaries" | "cuda" | "main" | "test" | "libtorch" | "publish", Job> };
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };

  it("packs for every platform that the main package asks for", () => {
    expect(jobs.binaries.strategy?.matrix.include?.map(({ platform }) => platform)).to.deep.equal(PLATFORMS);
    const published = jobs.publish.steps.map(({ run }) => run ?? "").join("\n");
    expect(published).to.include(`packages/{${[...PLATFORMS, "linux-x64-cuda", "main"].join(",")}}/*.tgz`).and.include("--provenance");
    expect(jobs.publish.permissions).to.include({ "id-token": "write" });
  });

  it("publishes nothing that was not tested on each Node", () => {
    expect(jobs.publish.needs).to.have.members(["binaries", "cuda", "main", "test", "libtorch"]);
    expect(jobs.test.strategy?.matrix.node).to.deep.equal([20, 22, 24]);
  });

  it("builds against each pinned libtorch before it publishes", () => {
    expect(jobs.libtorch.strategy?.matrix.torch).to.deep.equal(TORCH_VERSIONS);
    expect(jobs.libtorch.steps.map(({ run }) => run)).to.include("npm run check:libtorch -- --versions ${{ matrix.torch }}");
  });

  it("goes on without a platform that was never proven, and not without one that was", () => {
    const proven = jobs.binaries.strategy?.matrix.include?.filter(({ experimental }) => !experimental).map(({ platform }) => platform);
    expect(proven).to.deep.equal(["linux-x64"]);
    expect(jobs.binaries["continue-on-error"]).to.equal("${{ matrix.experimental }}");
    expect(jobs.main.needs).to.equal("binaries");
    expect(jobs.main.steps.map(({ run }) => run)).to.include("npm run package -- --main --built built --out packages");
  });

  it("tries each platform's package where it was made", () => {
    const runs = jobs.binaries.steps.map(({ run }) => run ?? "");
    expect(runs.indexOf("npm run try:packages -- packages")).to.be.above(runs.indexOf("npm run package -- --out packages"));
  });

  it("calls only npm scripts that there are", () => {
    const called = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run = "" }) => [...run.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name!)));
    expect(called).to.include.members(["package", "test:install"]);
    for (const name of called) expect(scripts).to.have.property(name);
  });
});
