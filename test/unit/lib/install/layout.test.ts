import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { findPackageRoot, findPlatformPackage, isBundled } from "../../../../lib/install/layout.js";

describe("findPackageRoot", () => {
  let project: string;
  beforeEach(() => {
    project = realpathSync(mkdtempSync(join(tmpdir(), "reviewkd-layout-")));
  });
  afterEach(() => {
    rmSync(project, { recursive: true, force: true });
  });
  function file(path: string, text = ""): string {
    const full = join(project, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    return full;
  }
  const manifest = (name: string): string => JSON.stringify({ name, version: "1.2.3" });

  it("is the package that a module is in", () => {
    file("node_modules/reviewkd/package.json", manifest("reviewkd"));
    const root = join(project, "node_modules", "reviewkd");
    for (const folder of ["install", "cjs"])
      expect(findPackageRoot(join(root, "dist", folder, "module.js"))).to.equal(root);
  });

  it("is the package that is installed for a bundle", () => {
    file("node_modules/reviewkd/package.json", manifest("reviewkd"));
    file("app/package.json", manifest("app"));
    expect(findPackageRoot(file("app/dist/bundle.mjs"))).to.equal(join(project, "node_modules", "reviewkd"));
  });

  it("is the directory of a bundle for which none is installed, which is no package", () => {
    const bundle = file("app/dist/bundle.mjs");
    // The script that runs the tests is in this checkout, in which the package has its own name.
    const [, script] = process.argv;
    process.argv[1] = bundle;
    try {
      const root = findPackageRoot(bundle);
      expect([root, isBundled(root)]).to.deep.equal([dirname(bundle), true]);
      file("app/node_modules/@reviewkd/linux-x64/package.json", manifest("@reviewkd/linux-x64"));
      expect(findPlatformPackage(root, "linux-x64")?.directory).to.equal(
        join(project, "app/node_modules/@reviewkd/linux-x64"),
      );
    } finally {
      process.argv[1] = script!;
    }
  });
});
