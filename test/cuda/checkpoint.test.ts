import { expect } from "chai";
import { runScenario, section } from "./recording.js";

function copiesOfSave(teacher: string): number {
  const { calls } = runScenario("checkpoint", { teacher });
  return section(calls, "begin save", "end save").filter(({ kind, name }) =>
    kind === "copy" && name?.startsWith("DtoH")
  ).length;
}

describe("saving a checkpoint from a CUDA device", function () {
  this.timeout(120_000);

  it("copies only the student's tensors, not the frozen teacher's", () => {
    const copies = copiesOfSave("resnet8");
    expect(copies).to.be.greaterThan(0);
    expect(copiesOfSave("resnet20")).to.equal(copies);
  });
});
