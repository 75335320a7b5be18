import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parse } from "yaml";
import { PLATFORMS } from "../../../lib/native/layout.js";

interface Job {
  readonly needs?: string[];
  readonly permissions?: Record<string, string>;
  readonly strategy?: { readonly matrix: { readonly node?: number[]; readonly include?: { readonly platform: string }[] } };
  readonly steps: { readonly run?: string }[];
}

describe("the release workflow", () => {
  const { jobs } = parse(readFileSync(".github/workflows/release.yml", "utf8")) as { jobs: Record<"binaries" | "cuda" | "main" | "test" | "publish", Job> };
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };

  it("packs for every platform that the main package asks for", () => {
    expect(jobs.binaries.strategy?.matrix.include?.map(({ platform }) => platform)).to.deep.equal(PLATFORMS);
    const published = jobs.publish.steps.map(({ run }) => run ?? "").join("\n");
    expect(published).to.include(`packages/{${[...PLATFORMS, "linux-x64-cuda", "main"].join(",")}}/*.tgz`).and.include("--provenance");
    expect(jobs.publish.permissions).to.include({ "id-token": "write" });
  });

  it("publishes nothing that was not tested on each Node", () => {
    expect(jobs.publish.needs).to.have.members(["binaries", "cuda", "main", "test"]);
    expect(jobs.test.strategy?.matrix.node).to.deep.equal([20, 22, 24]);
  });

  it("calls only npm scripts that there are", () => {
    const called = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run = "" }) => [...run.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name!)));
    expect(called).to.include.members(["package", "test:install"]);
    for (const name of called) expect(scripts).to.have.property(name);
  });
});
