import { expect } from "chai";
import { runRecorded, runScenario } from "./recording.js";

interface Cuda {
  readonly available: boolean;
  readonly devices: readonly string[];
  readonly reason: string | null;
  readonly plugin: { readonly loaded: boolean };
}

/** Only the package loads libtorch's CUDA half, as on a user's machine. */
const AS_USERS_DO = { env: { REVIEWKD_RECORDING_PRELOAD: "0" } };

describe("the CUDA device", function () {
  this.timeout(120_000);

  it("and the plugin are found by doctor", () => {
    const { stdout } = runRecorded(["lib/cli/main.ts", "doctor", "--json"], AS_USERS_DO);
    const line = stdout.split("\n").find((text) => text.includes('"doctor"'));
    const { cuda } = JSON.parse(line!) as { cuda: Cuda };
    expect(cuda.reason).to.equal(null);
    expect(cuda).to.deep.include({ available: true, devices: ["cuda:0"] });
    expect(cuda.plugin.loaded).to.equal(true);
  });

  it("is found after the same process has trained on the CPU", () => {
    const { result } = runScenario("device after the CPU", undefined, AS_USERS_DO);
    expect(result.outcome.error).to.equal(null);
    expect(result.cuda.reason).to.equal(null);
    expect(result.cuda).to.deep.include({ available: true, devices: ["cuda:0"] });
  });
});
