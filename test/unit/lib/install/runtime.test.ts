import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { CHILD_MARK, childMark, moduleFile, requireIn, whyNotNode } from "../../../../lib/install/runtime.js";

describe("whyNotNode", () => {
  const own = Object.getOwnPropertyDescriptor(process, "execPath")!;
  const versions = Object.getOwnPropertyDescriptor(process, "versions")!;
  afterEach(() => {
    Object.defineProperty(process, "execPath", own);
    Object.defineProperty(process, "versions", versions);
    for (const name of ["pkg", "__nexe"]) Reflect.deleteProperty(process, name);
  });
  const named = (path: string): string | undefined => {
    Object.defineProperty(process, "execPath", { ...own, value: path });
    return whyNotNode();
  };

  it("accepts programs that are named as Node is", () => {
    for (const name of ["node", "nodejs", "node22", "node-v20.19.0", "NODE.EXE"])
      expect(named(`/usr/bin/${name}`), name).to.equal(undefined);
  });

  it("takes any other name for an application that may start itself, except Electron's", () => {
    for (const name of ["app", "nodemon", "my-node", "trainer.exe"])
      expect(named(`/opt/${name}`), name).to.equal('a program that is not named "node"');
    Object.defineProperty(process, "versions", { ...versions, value: { ...process.versions, electron: "40.0.0" } });
    expect(named("/opt/app")).to.equal(undefined);
  });

  it("knows other runtimes, and applications of one file, whatever their name", () => {
    for (const [name, text] of [["deno", "Deno"], ["bun", "Bun"]] as const) {
      Object.defineProperty(process, "versions", { ...versions, value: { ...process.versions, [name]: "1.0.0" } });
      expect(whyNotNode()).to.equal(text);
      Object.defineProperty(process, "versions", versions);
    }
    for (const [name, text] of [["pkg", "pkg"], ["__nexe", "nexe"]] as const) {
      Object.defineProperty(process, name, { value: {}, configurable: true });
      expect(whyNotNode()).to.equal(`an application packed with ${text}`);
      Reflect.deleteProperty(process, name);
    }
  });
});

describe("childMark", () => {
  it("is what a process was started for, and nothing in others", () => {
    expect(childMark({ [CHILD_MARK]: "trial" })).to.equal("trial");
    for (const env of [{}, { [CHILD_MARK]: "" }]) expect(childMark(env)).to.equal(undefined);
  });
});

describe("moduleFile", () => {
  it("is the path of the module", () => {
    expect(moduleFile()).to.equal(fileURLToPath(new URL("../../../../lib/install/runtime.ts", import.meta.url)));
  });
});

describe("requireIn", () => {
  it("resolves as Node does from a directory", () => {
    expect(requireIn(process.cwd()).resolve("chai/package.json")).to.match(/node_modules[/\\]chai/);
    expect(() => requireIn("/").resolve("chai/package.json")).to.throw(/Cannot find module/);
  });
});
