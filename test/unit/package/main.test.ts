import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { VERSION } from "../../../lib/install/version.js";
import { platformsBelow, publishedManifest } from "../../../scripts/package/main.js";

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

describe("the published manifest", () => {
  const own = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
  const published = publishedManifest({ ...own }) as unknown as Manifest;

  it("depends on each platform's binaries in exactly its own version", () => {
    const platforms = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64"].map((
      name,
    ) => [`@reviewkd/${name}`, own.version]);
    expect(published.optionalDependencies).to.deep.equal(Object.fromEntries(platforms));
  });

  it("depends on no package that a release does not have", () => {
    expect((publishedManifest({ ...own }, ["linux-x64"]) as unknown as Manifest).optionalDependencies).to.deep.equal({
      "@reviewkd/linux-x64": own.version,
    });
  });

  it("has the version that the code says of itself", () => {
    expect(VERSION).to.equal(own.version);
  });

  it("has its entries for import and require, and none before those that Node's require takes as ES modules", () => {
    const { exports } = own as unknown as { exports: Record<string, object | string> };
    for (const name of [".", "./worker"])
      expect(Object.keys(exports[name]!)).to.deep.equal(["module-sync", "require", "default"]);
  });

  it("has no scripts, no build settings and no development fields", () => {
    for (const name of ["scripts", "devDependencies", "allowScripts", "overrides", "config", "binary", "gypfile"])
      expect(published).to.not.have.property(name);
  });

  it("keeps the fields that users need", () => {
    for (const name of ["name", "version", "license", "type", "engines", "exports", "bin", "dependencies",
      "peerDependencies"] as const) {
      expect(published).to.have.deep.property(name, own[name as keyof Manifest]);
    }
  });
});

describe("platformsBelow", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-built-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("finds the tarballs of platforms in any subdirectory, and ignores the plugin's", async () => {
    for (const name of ["linux-x64/reviewkd-linux-x64-1.2.3.tgz", "win32-x64/reviewkd-win32-x64-1.2.3-beta.1.tgz",
      "cuda/reviewkd-linux-arm64-cuda-1.2.3.tgz", "reviewkd-1.2.3.tgz"]) {
      mkdirSync(join(directory, name, ".."), { recursive: true });
      writeFileSync(join(directory, name), "");
    }
    expect(await platformsBelow(directory)).to.deep.equal(["linux-x64", "win32-x64"]);
  });

  it("fails if there are none", async () => {
    const error: unknown = await platformsBelow(join(directory, "none")).then(() => undefined,
      (thrown: unknown) => thrown);
    expect(error).to.have.property("code", "NOT_PACKED");
  });
});
