// The built and packed files. electron-builder itself does not run here.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { parse } from "yaml";
import { buildApplication } from "../build.mjs";

const example = fileURLToPath(new URL("..", import.meta.url));
interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const readManifest = (path: string): Manifest => JSON.parse(readFileSync(path, "utf8")) as Manifest;

describe("the Electron example's packing", () => {
  it("keeps the binaries outside the archive, and does not need Electron to run as Node", () => {
    const { asarUnpack, npmRebuild, electronFuses, directories, files } = parse(
      readFileSync(join(example, "electron-builder.yml"), "utf8"),
    ) as Record<string, unknown>;
    // The pattern that the package's own error names if they are inside.
    expect(asarUnpack).to.deep.equal(["**/node_modules/@reviewkd/**"]);
    expect(npmRebuild).to.equal(false);
    // The built files are in build/, which electron-builder would by default treat as its own resources.
    expect(files).to.include("build/**");
    expect(directories).to.have.property("buildResources").that.is.not.equal("build");
    expect(electronFuses).to.deep.include({ runAsNode: false, onlyLoadAppFromAsar: true });
  });

  it("requires the versions that are tested here", () => {
    const own = readManifest(join(example, "package.json"));
    const checkout = readManifest(join(example, "..", "..", "package.json"));
    const { electron, echarts, esbuild } = own.devDependencies;
    expect(checkout.devDependencies).to.deep.include({ "electron-typings": `npm:electron@${electron!}`, echarts,
      esbuild });
    expect(own.dependencies).to.deep.equal({ reviewkd: `^${checkout.version}`, zod: checkout.dependencies["zod"] });
  });

  it("builds three files that load only packed files", async () => {
    const out = mkdtempSync(join(tmpdir(), "reviewkd-electron-build-"));
    try {
      await buildApplication(out);
      expect(readdirSync(out).filter((name) => !name.endsWith(".txt")).sort()).to.deep.equal(["index.html", "main.js",
        "preload.cjs", "renderer.js", "styles.css"]);
      const imported = [...readFileSync(join(out, "main.js"), "utf8").matchAll(/^import .*?from "([^"]+)";$/gm)].map((
        [, name],
      ) => name!);
      const outside = new Set(imported.filter((name) => !name.startsWith("node:")));
      expect([...outside].sort()).to.deep.equal(["electron", "reviewkd", "reviewkd/worker", "zod"]);
      // A sandboxed preload script can require electron and nothing else.
      expect(
        [...readFileSync(join(out, "preload.cjs"), "utf8").matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name),
      ).to.deep.equal(["electron"]);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });
});
