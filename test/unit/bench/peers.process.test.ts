import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { python } from "../../../lib/install/pip.js";

const BENCH = join(import.meta.dirname, "../../../bench");

interface Peer {
  ask(operation: string, request: { name: string; style: string }): Promise<object>;
  kill(): void;
}
interface Peers {
  stylesOf: (flags: { compiled: boolean }) => string[];
  startPeers: (styles: string[], setting: object,
    options: { readySeconds: number; progress: (line: string) => void; create: () => Peer }
  ) => Promise<{ peers: Map<string, Peer>; failures: Record<string, string> }>;
}
interface Tables {
  gpuTables: (report: object) => string;
}
// The benchmarks are plain JavaScript without types.
const load = async <T>(path: string): Promise<T> => import(pathToFileURL(join(BENCH, path)).href) as Promise<T>;

interface Parsed {
  published: boolean;
  precision: string;
  tf32: boolean;
  execution: string;
  mode: string | null;
}

describe("PyTorch's styles in the GPU benchmark", () => {
  /** The result of pytorch_styles.py for each style: its fields, or the error's message. */
  function parsed(styles: string[], device = "cuda"): (Parsed | string)[] {
    const code = `
import dataclasses, json, sys, pytorch_styles
def parse(text):
    try:
        style = pytorch_styles.parse_style(text, sys.argv[1])
        return dataclasses.asdict(style) | {"mode": style.compile_mode if style.is_compiled else None}
    except ValueError as error:
        return str(error)
print(json.dumps([parse(text) for text in json.load(sys.stdin)]))`;
    return JSON.parse(
      execFileSync(python, ["-B", "-c", code, device], { input: JSON.stringify(styles), encoding: "utf8",
        env: { ...process.env, PYTHONPATH: BENCH } }),
    ) as (Parsed | string)[];
  }

  it("name precision, TF32 and how the step is executed", () => {
    expect(
      parsed(["published", "expert-tf32", "expert-bfloat16-graph", "expert-graphed-callables", "expert-compiled",
        "expert-tf32-max-autotune"]),
    ).to.deep.equal([
      { published: true, precision: "float32", tf32: false, execution: "eager", mode: null },
      { published: false, precision: "float32", tf32: true, execution: "eager", mode: null },
      { published: false, precision: "bfloat16", tf32: false, execution: "graph", mode: null },
      { published: false, precision: "float32", tf32: false, execution: "graphed-callables", mode: null },
      { published: false, precision: "float32", tf32: false, execution: "compiled", mode: null },
      { published: false, precision: "float32", tf32: true, execution: "max-autotune", mode: "max-autotune" },
    ]);
  });

  it("are all known to PyTorch's part", async () => {
    const { stylesOf } = await load<Peers>("support/peers.mjs");
    const styles = stylesOf({ compiled: true });
    expect(parsed(styles).filter((style) => typeof style === "string")).to.deep.equal([]);
    for (const execution of ["graph", "graphed-callables", "reduce-overhead", "max-autotune"]) {
      expect(styles).to.include.members([`expert-${execution}`, `expert-tf32-${execution}`,
        `expert-bfloat16-${execution}`]);
    }
    expect(stylesOf({ compiled: false }).filter((style) => /reduce|autotune/.test(style))).to.deep.equal([]);
  });

  it("are rejected by name, and CUDA graphs on a CPU", () => {
    const [unknown, twice] = parsed(["expert-fast", "expert-tf32-bfloat16"]);
    expect(unknown).to.match(
      /^invalid style: expected published\|expert.*, received expert-fast\. Check its spelling\.$/,
    );
    expect(twice).to.contain("received expert-tf32-bfloat16");
    expect(parsed(["expert-graph"], "cpu")).to.deep.equal([
      "invalid device: expected cuda for graph, received cpu. CUDA graphs exist on a GPU only.",
    ]);
  });

  it("that fail or are not ready in time are reported with their reason, and leave the others running", async () => {
    const { startPeers } = await load<Peers>("support/peers.mjs");
    const killed: string[] = [];
    const create = (): Peer => {
      let name = "";
      return {
        ask: async (_operation, request) => {
          name = request.style;
          if (name === "broken")
            throw new Error("the baseline failed at prepare: RuntimeError: operation\n not permitted");
          if (name === "slow") await new Promise(() => {});
          return {};
        },
        kill: () => {
          killed.push(name);
        },
      };
    };
    const { peers, failures } = await startPeers(["good", "broken", "slow"], {}, { readySeconds: 0.2,
      progress: () => {}, create });
    expect([...peers.keys()]).to.deep.equal(["good"]);
    expect(failures).to.deep.equal({ broken: "the baseline failed at prepare: RuntimeError: operation not permitted",
      slow: "not ready after 0.2 s" });
    expect(killed).to.have.members(["broken", "slow"]);
  });

  it("have a row with the reason in the table if they failed", async () => {
    const { gpuTables } = await load<Tables>("support/gpu-tables.mjs");
    const spread = { median: 10, quarter: 9, threeQuarters: 11 };
    const setting = { teacher: "resnet56", student: "resnet20", batch: 128 };
    const table = gpuTables({
      command: "npm run bench:gpu",
      machine: { gpu: ["cuda:0"], cpu: "CPU", cores: 1, node: "v20", libtorch: "2.11.0", date: "2026-01-01" },
      rounds: 1,
      steps: 1,
      pairs: [{ setting, results: { published: spread }, graphs: {},
        failures: { "expert-graph": "not permitted | in capture" } }],
      kernels: {},
    });
    expect(table).to.contain("| expert-graph | failed | – | – | – | not permitted \\| in capture |");
    expect(table).to.contain("| published | 10.00 (9.00 to 11.00) | 12800 | 1.00× |");
  });
});
