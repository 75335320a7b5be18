import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { selectModules } from "../../../scripts/gpu/modules.js";

describe("modules of the GPU kit", () => {
  const none = {};

  it("follows dependencies to the nearest node_modules, as Node does", () => {
    const packages = {
      "": { dependencies: { a: "1" } },
      "node_modules/a": { dependencies: { b: "2", c: "1" } },
      "node_modules/a/node_modules/b": { dependencies: { c: "1" } },
      "node_modules/b": none,
      "node_modules/c": { dependencies: { d: "1" } },
      "node_modules/d": { dependencies: { c: "1" } },
      "node_modules/unrelated": none,
    };
    expect(selectModules(packages, ["a"])).to.deep.equal(["node_modules/a", "node_modules/a/node_modules/b",
      "node_modules/c", "node_modules/d"]);
  });

  it("leaves out packages that are not installed, such as optional peers", () => {
    expect(selectModules({ "": none, "node_modules/a": { dependencies: { absent: "1" } } }, ["a", "missing"])).to.deep
      .equal(["node_modules/a"]);
  });

  it("selects from the project's lock file the packages that its tests and its build import", () => {
    const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, object> };
    const modules = selectModules(packages);
    expect(modules).to.include.members(
      ["zod", "tar", "mocha", "chai", "tsx", "node-addon-api", "node-api-headers"].map((name) =>
        `node_modules/${name}`
      ),
    );
    expect(modules).to.not.include.members(["node_modules/verdaccio", "node_modules/typescript"]);
    expect(modules.filter((path) => !existsSync(path) && !path.includes("@esbuild/"))).to.deep.equal([]);
  });
});
