import { readFileSync } from "node:fs";
import { expect } from "chai";
import { publishedManifest } from "../../../scripts/package/main.mjs";

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

describe("the published manifest", () => {
  const own = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
  const published = publishedManifest({ ...own }) as unknown as Manifest;

  it("takes each platform's binaries in exactly its own version", () => {
    const platforms = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64"].map((name) => [`@reviewkd/${name}`, own.version]);
    expect(published.optionalDependencies).to.deep.equal(Object.fromEntries(platforms));
  });

  it("has no script, no build description and nothing of the checkout", () => {
    for (const name of ["scripts", "devDependencies", "allowScripts", "overrides", "config", "binary", "gypfile"]) expect(published).to.not.have.property(name);
  });

  it("keeps what its users see", () => {
    for (const name of ["name", "version", "license", "type", "engines", "exports", "bin", "dependencies", "peerDependencies"] as const) {
      expect(published).to.have.deep.property(name, own[name as keyof Manifest]);
    }
  });
});
