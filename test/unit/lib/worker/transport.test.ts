import { expect } from "chai";
import { CHILD_MARK } from "../../../../lib/install/runtime.js";
import { startProcess } from "../../../../lib/worker/transport.js";

describe("startProcess", () => {
  const own = Object.getOwnPropertyDescriptor(process, "execPath")!;
  afterEach(() => {
    Object.defineProperty(process, "execPath", own);
    Reflect.deleteProperty(process.env, CHILD_MARK);
  });

  it("does not start an application in the worker's place", () => {
    Object.defineProperty(process, "execPath", { ...own, value: "/opt/application" });
    expect(() => startProcess({})).to.throw(/invalid execPath: .*not named "node".*Pass the execPath of a Node/).with
      .property("code", "DEPENDENCY_MISSING");
  });

  it("starts no process of Node from another runtime", () => {
    const versions = Object.getOwnPropertyDescriptor(process, "versions")!;
    Object.defineProperty(process, "versions", { ...versions, value: { ...process.versions, bun: "1.0.0" } });
    try {
      expect(() => startProcess({ execPath: own.value as string })).to.throw(/invalid via: expected "worker" in Bun/)
        .with.property("code", "DEPENDENCY_MISSING");
    } finally {
      Object.defineProperty(process, "versions", versions);
    }
  });

  it("does not start a worker in a process that was started as one", () => {
    process.env[CHILD_MARK] = "worker";
    expect(() => startProcess({ execPath: own.value as string })).to.throw(/started this program in its place/).with
      .property("code", "DEPENDENCY_MISSING");
  });
});
