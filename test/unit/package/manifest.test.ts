import { readFileSync } from "node:fs";
import { expect } from "chai";
import { cudaManifest } from "../../../scripts/package/cuda.js";
import { publishedManifest } from "../../../scripts/package/main.js";
import { platformManifest } from "../../../scripts/package/platform.js";

const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;

// `npm publish --provenance` compares the repository with the one that the workflow runs in.
const REPOSITORY = { type: "git", url: "git+https://github.com/reviewkd/reviewkd.git" };
const PAGE = "https://github.com/reviewkd/reviewkd";

describe("the manifest", () => {
  const own = read("package.json");
  const requirements = { libtorch: "2.14.1", variant: "cpu", instructionSets: [] };

  for (const [kind, manifest] of Object.entries({
    "of the checkout": own,
    "of the main package": publishedManifest(own) as Record<string, unknown>,
    "of a platform package": platformManifest(own, requirements),
    "of the plugin's package": cudaManifest(own, requirements),
  })) {
    it(`${kind} names repository, homepage and issues`, () => {
      expect(manifest["repository"]).to.deep.equal(REPOSITORY);
      expect(manifest["homepage"]).to.equal(`${PAGE}#readme`);
      expect(manifest["bugs"]).to.equal(`${PAGE}/issues`);
    });

    it(`${kind} has the checkout's version and engines`, () => {
      expect(manifest["version"]).to.equal(own["version"]);
      expect(manifest["engines"]).to.deep.equal({ node: ">=20" });
    });
  }

  for (const directory of ["examples/browser", "examples/electron"]) {
    it(`of ${directory} names its folder of the repository`, () => {
      const example = read(`${directory}/package.json`);
      expect(example["repository"]).to.deep.equal({ ...REPOSITORY, directory });
      expect(example["homepage"]).to.equal(`${PAGE}/tree/main/${directory}#readme`);
      expect(example["bugs"]).to.equal(`${PAGE}/issues`);
    });
  }
});
