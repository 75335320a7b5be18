import { existsSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { buildTypeScript } from "../../../scripts/build/typescript.js";
import { useTemporaryDirectory, writeFiles } from "../lib/install/fake-libtorch.js";

describe("buildTypeScript", () => {
  const root = useTemporaryDirectory();

  beforeEach(() => {
    writeFiles(root(), {
      "package.json": '{ "type": "module" }\n',
      "package-lock.json": "{}\n",
      "tsconfig.json": readFileSync("tsconfig.json"),
      "tsconfig.build.json": readFileSync("tsconfig.build.json"),
      "lib/index.ts": 'export { one } from "./one.js";\n',
      "lib/one.ts": "export const one: number = 1;\n",
      "lib/cli/main.ts": '#!/usr/bin/env node\nimport { one } from "../index.js";\n\nprocess.exitCode = one - 1;\n',
    });
    symlinkSync(resolve("node_modules"), join(root(), "node_modules"), "junction");
  });

  it("compiles once, with types and an executable command line", async () => {
    expect(await buildTypeScript(root())).to.equal(true);
    expect(existsSync(join(root(), "dist/index.d.ts"))).to.equal(true);
    expect(statSync(join(root(), "dist/cli/main.js")).mode & 0o111).to.equal(0o111);
    expect(await buildTypeScript(root())).to.equal(false);
  });

  it("compiles what changed, and drops the output of a source that went away", async () => {
    writeFiles(root(), { "lib/two.ts": "export const two = 2;\n" });
    await buildTypeScript(root());
    expect(existsSync(join(root(), "dist/two.js"))).to.equal(true);

    await delay(20);
    rmSync(join(root(), "lib/two.ts"));
    writeFiles(root(), { "lib/one.ts": "export const one: number = 11;\n" });
    expect(await buildTypeScript(root())).to.equal(true);
    expect(existsSync(join(root(), "dist/two.js"))).to.equal(false);
    expect(readFileSync(join(root(), "dist/one.js"), "utf8")).to.include("11");
  });

  it("writes a CommonJS form of what is exported for require, whose entries share their classes", async () => {
    const entry = (name: string) => ({ require: { default: `./dist/cjs/${name}.js` }, default: `./dist/${name}.js` });
    writeFiles(root(), {
      "package.json": JSON.stringify({ type: "module", dependencies: { zod: "*", birpc: "*" },
        exports: { ".": entry("index"), "./worker": entry("worker/index"), "./package.json": "./package.json" } }),
      "lib/one.ts": `import { createBirpc } from "birpc";\nimport { z } from "zod";\nexport class One {
        schema = z.instanceof(Uint8Array);\n}\nexport const connects = typeof createBirpc;\n`,
      "lib/index.ts": `export { connects, One } from "./one.js";\nexport * as all from "./one.js";\n`,
      "lib/worker/index.ts": `export { One } from "../one.js";\n`,
      "lib/cli/main.ts": "#!/usr/bin/env node\n",
    });
    await buildTypeScript(root());
    const required = createRequire(join(root(), "package.json"));
    const index = required("./dist/cjs/index.js") as { One: unknown; connects: string };
    const worker = required("./dist/cjs/worker/index.js") as { One: unknown };
    expect(index.connects).to.equal("function");
    expect(index.One).to.be.a("function").and.equal(worker.One);
    // The package that is an ES module alone is in the bundle, with its licence.
    const bundle = readFileSync(join(root(), "dist/cjs/bundle.js"), "utf8");
    expect(bundle).to.include('require("zod")').and.not.include('require("birpc")');
    expect(readFileSync(join(root(), "dist/cjs/licenses.txt"), "utf8")).to.match(/^birpc\n\nMIT License/);
    // Typed arrays have no parameters, which TypeScript 5.5 does not know.
    for (const folder of ["dist", "dist/cjs"])
      expect(readFileSync(join(root(), folder, "one.d.ts"), "utf8")).to.include("ZodInstanceOf<Uint8Array>");
  });

  it("fails with the compiler's messages, and tries again the next time", async () => {
    writeFiles(root(), { "lib/one.ts": 'export const one: number = "text";\n' });
    for (const attempt of [1, 2]) {
      const error = await buildTypeScript(root()).then(() => undefined, (reason: unknown) => reason);
      expect(error, `attempt ${attempt}`).to.have.property("code", "TYPESCRIPT_FAILED");
      expect(String(error)).to.include("lib/one.ts").and.to.include("TS2322");
    }
  });
});
