import { expect } from "chai";
import { processEnvironment, type EnvironmentVariables, type ProcessEnvironment } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

/** Recorded in a process of `torchrun --nproc-per-node 2 --no-python` of PyTorch 2.14. */
const TORCHRUN: EnvironmentVariables = { OMP_NUM_THREADS: "1",
  TORCHELASTIC_SIGNALS_TO_HANDLE: "SIGTERM,SIGINT,SIGHUP,SIGQUIT", RANK: "1", GROUP_RANK: "0", ROLE_RANK: "1",
  ROLE_NAME: "default", LOCAL_WORLD_SIZE: "2", WORLD_SIZE: "2", GROUP_WORLD_SIZE: "1", ROLE_WORLD_SIZE: "2",
  MASTER_ADDR: "localhost", MASTER_PORT: "42461", TORCHELASTIC_RESTART_COUNT: "0", TORCHELASTIC_MAX_RESTARTS: "0",
  TORCHELASTIC_RUN_ID: "be15560e-5f7f-4f07-86b1-b2d37d318313", TORCHELASTIC_USE_AGENT_STORE: "True", LOCAL_RANK: "1" };

/** Recorded in the shell of a batch script of SLURM 22.05: `sbatch --nodes 2 --ntasks 4`. */
const SLURM_BATCH: EnvironmentVariables = { SLURMD_NODENAME: "node1", SLURM_GTIDS: "0", SLURM_JOB_ID: "2",
  SLURM_JOB_NODELIST: "node[1-2]", SLURM_JOB_NUM_NODES: "2", SLURM_LOCALID: "0", SLURM_NNODES: "2", SLURM_NODEID: "0",
  SLURM_NODELIST: "node[1-2]", SLURM_NPROCS: "4", SLURM_NTASKS: "4", SLURM_NTASKS_PER_NODE: "2", SLURM_PROCID: "0",
  SLURM_TASKS_PER_NODE: "2(x2)", SLURM_TASK_PID: "27479" };

/** Recorded in the last process of `srun` in that script. */
const SLURM_STEP: EnvironmentVariables = { ...SLURM_BATCH, SLURMD_NODENAME: "node2", SLURM_GTIDS: "2,3",
  SLURM_LAUNCH_NODE_IPADDR: "192.0.2.1", SLURM_LOCALID: "1", SLURM_NODEID: "1", SLURM_PROCID: "3", SLURM_STEPID: "0",
  SLURM_STEP_ID: "0", SLURM_STEP_LAUNCHER_PORT: "40191", SLURM_STEP_NODELIST: "node[1-2]", SLURM_STEP_NUM_NODES: "2",
  SLURM_STEP_NUM_TASKS: "4", SLURM_STEP_TASKS_PER_NODE: "2(x2)" };

/** Recorded in the shell of `salloc --nodes 2 --ntasks 4` with SLURM's `use_interactive_step`. */
const SLURM_INTERACTIVE: EnvironmentVariables = { SLURM_JOB_ID: "7", SLURM_LAUNCH_NODE_IPADDR: "192.0.2.1",
  SLURM_LOCALID: "0", SLURM_NNODES: "2", SLURM_NODEID: "0", SLURM_NPROCS: "4", SLURM_NTASKS: "4", SLURM_PROCID: "0",
  SLURM_STEPID: "4294967290", SLURM_STEP_ID: "4294967290", SLURM_STEP_NODELIST: "node1", SLURM_STEP_NUM_NODES: "1",
  SLURM_STEP_NUM_TASKS: "1", SLURM_STEP_TASKS_PER_NODE: "1", SLURM_TASKS_PER_NODE: "3,1" };

/** Recorded in the second process of `mpirun -n 2` of OpenMPI 4.1. */
const OPENMPI: EnvironmentVariables = { OMPI_COMM_WORLD_LOCAL_RANK: "1", OMPI_COMM_WORLD_LOCAL_SIZE: "2",
  OMPI_COMM_WORLD_NODE_RANK: "1", OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "2",
  OMPI_MCA_ess_base_jobid: "49479681", PMIX_NAMESPACE: "49479681", PMIX_RANK: "1" };

const HAND: EnvironmentVariables = { RANK: "1", WORLD_SIZE: "3", MASTER_ADDR: "trainer-master-0",
  MASTER_PORT: "23456" };

function found(env: EnvironmentVariables): ProcessEnvironment {
  const environment = processEnvironment(env);
  if (environment === undefined) throw new Error("invalid environment: expected processes, received none.");
  return environment;
}

async function messageFor(env: EnvironmentVariables): Promise<string> {
  return (await failureOf("PROCESS_ENVIRONMENT", () => processEnvironment(env))).message;
}

describe("processEnvironment", () => {
  it("finds nothing in a shell", () => {
    expect(processEnvironment({ PATH: "/usr/bin", MASTER_ADDR: "node1", MASTER_PORT: "29500" })).to.equal(undefined);
    expect(processEnvironment({ RANK: "", WORLD_SIZE: "", SLURM_PROCID: "", SLURM_STEP_ID: "0" })).to.equal(undefined);
  });

  it("needs no others for one process, whatever launched it", () => {
    expect(processEnvironment({ RANK: "0", WORLD_SIZE: "1" })).to.equal(undefined);
    expect(processEnvironment({ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1" })).to.equal(undefined);
    expect(processEnvironment({ SLURM_PROCID: "0", SLURM_NTASKS: "1", SLURM_STEP_ID: "0" })).to.equal(undefined);
    expect(processEnvironment({ WORLD_SIZE: "1" })).to.equal(undefined);
    expect(processEnvironment({ OMPI_COMM_WORLD_SIZE: "1" })).to.equal(undefined);
  });

  it("ignores the others of one process, also those of a step that it runs in", () => {
    expect(processEnvironment({ ...OPENMPI, ...SLURM_STEP, WORLD_SIZE: "1" })).to.equal(undefined);
    expect(
      processEnvironment({ RANK: "0", WORLD_SIZE: "1", LOCAL_RANK: "x", LOCAL_WORLD_SIZE: "4", MASTER_PORT: "none",
        TORCHELASTIC_RESTART_COUNT: "-1" }),
    ).to.equal(undefined);
    expect(
      processEnvironment({ SLURM_PROCID: "0", SLURM_NTASKS: "1", SLURM_STEP_ID: "0", SLURM_JOB_ID: "none",
        SLURM_NODEID: "3", SLURM_STEP_TASKS_PER_NODE: "1" }),
    ).to.equal(undefined);
  });
});

describe("processEnvironment of torchrun", () => {
  it("reads the recorded variables; the agent runs the store", () => {
    expect(processEnvironment(TORCHRUN)).to.deep.equal({ launcher: "torchrun", rank: 1, size: 2, localRank: 1,
      localSize: 2, master: { host: "localhost", port: 42_461 }, storeIsHosted: true,
      prefix: "reviewkd/be15560e-5f7f-4f07-86b1-b2d37d318313", restarts: 0 });
  });

  it("counts restarts, which the agents of several machines count each for itself, in no key", () => {
    const restarted = found({ ...TORCHRUN, TORCHELASTIC_RESTART_COUNT: "2" });
    expect(restarted.restarts).to.equal(2);
    expect(restarted.prefix).to.equal(found(TORCHRUN).prefix);
  });

  it("has rank 0 run the store if the agent does not", () => {
    expect(found({ ...TORCHRUN, TORCHELASTIC_USE_AGENT_STORE: "False" }).storeIsHosted).to.equal(false);
  });

  it("comes before OpenMPI and SLURM, in whose jobs it may run", () => {
    expect(found({ ...SLURM_STEP, ...OPENMPI, ...TORCHRUN }).launcher).to.equal("torchrun");
  });
});

describe("processEnvironment of reviewkd launch", () => {
  it("reads its run and restart count", () => {
    const env = { RANK: "0", WORLD_SIZE: "4", LOCAL_RANK: "0", LOCAL_WORLD_SIZE: "4", MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: "31000", REVIEWKD_LAUNCH: "a1b2", REVIEWKD_RESTART_COUNT: "1" };
    expect(processEnvironment(env)).to.deep.equal({ launcher: "reviewkd", rank: 0, size: 4, localRank: 0, localSize: 4,
      master: { host: "127.0.0.1", port: 31_000 }, storeIsHosted: false, prefix: "reviewkd/a1b2/1", restarts: 1 });
  });
});

describe("processEnvironment of variables set by hand or a PyTorchJob", () => {
  it("takes one process a machine without LOCAL_RANK", () => {
    expect(processEnvironment(HAND)).to.deep.equal({ launcher: "variables", rank: 1, size: 3, localRank: 0,
      localSize: 1, master: { host: "trainer-master-0", port: 23_456 }, storeIsHosted: false, prefix: "reviewkd/none/0",
      restarts: 0 });
  });

  it("needs no MASTER_ADDR if all run on one machine", () => {
    const { MASTER_ADDR, ...env } = HAND;
    expect(MASTER_ADDR).to.be.a("string");
    expect(found({ ...env, LOCAL_RANK: "1", LOCAL_WORLD_SIZE: "3" }).master.host).to.equal("127.0.0.1");
  });

  it("counts the processes of a machine at least to its own", () => {
    expect(found({ ...HAND, LOCAL_RANK: "1" }).localSize).to.equal(2);
  });

  const wrong: readonly (readonly [name: string, env: EnvironmentVariables, message: RegExp])[] = [
    ["RANK without WORLD_SIZE", { ...HAND, WORLD_SIZE: undefined },
      /WORLD_SIZE: expected the number of processes, as RANK is set, received nothing\. Set both/],
    ["WORLD_SIZE without RANK", { ...HAND, RANK: "" },
      /RANK: expected the index of this process, as WORLD_SIZE is set, received ""\. Set both RANK and WORLD_SIZE/],
    ["a rank at the size", { ...HAND, RANK: "3" },
      /RANK: expected a whole number below WORLD_SIZE, which is 3, received "3"\. Give the processes the numbers 0 to 2/],
    ["a rank above 0 in one process", { ...HAND, WORLD_SIZE: "1" },
      /RANK: expected a whole number below WORLD_SIZE, which is 1, received "1"/],
    ["a rank that is no number", { ...HAND, RANK: "one" },
      /RANK: expected a whole number ≥ 0, received "one"\. Correct it/],
    ["a negative rank", { ...HAND, RANK: "-1" }, /RANK: expected a whole number ≥ 0, received "-1"/],
    ["no process", { ...HAND, WORLD_SIZE: "0" }, /WORLD_SIZE: expected a whole number ≥ 1, received "0"/],
    ["a size beyond all", { ...HAND, WORLD_SIZE: "300000" },
      /WORLD_SIZE: expected at most 16384 processes, received "300000"/],
    ["a size that is no whole number", { ...HAND, WORLD_SIZE: "2.5" }, /WORLD_SIZE: expected a whole number ≥ 1/],
    ["a local rank at the local size", { ...HAND, LOCAL_RANK: "2", LOCAL_WORLD_SIZE: "2" },
      /LOCAL_RANK: expected a whole number below 2, the number of processes on this machine, received "2"/],
    ["more processes on the machine than in all", { ...HAND, LOCAL_RANK: "0", LOCAL_WORLD_SIZE: "4" },
      /WORLD_SIZE: expected at least 4, the number of processes on this machine, received "3"/],
    ["no address", { ...HAND, MASTER_ADDR: undefined },
      /MASTER_ADDR: expected the machine of rank 0, as 3 processes train together, received nothing\. Set it to/],
    ["no port", { ...HAND, MASTER_PORT: undefined },
      /MASTER_PORT: expected a port for RANK and WORLD_SIZE, received nothing\. Set it to the same free port/],
    ["port 0", { ...HAND, MASTER_PORT: "0" }, /MASTER_PORT: expected a whole number from 1 to 65535, received "0"/],
    ["a port above all", { ...HAND, MASTER_PORT: "65536" }, /MASTER_PORT: expected a whole number from 1 to 65535/],
    ["a port that is none", { ...HAND, MASTER_PORT: "tcp://10.0.0.1:23456" }, /received "tcp:\/\/10\.0\.0\.1:23456"/],
  ];
  for (const [name, env, message] of wrong) {
    it(`refuses ${name}`, async () => {
      expect(await messageFor(env)).to.match(/^invalid environment variable /).and.match(message);
    });
  }
});

describe("processEnvironment of SLURM", () => {
  it("reads the recorded variables of a step; the processes meet on its first machine", () => {
    const { master, ...rest } = found(SLURM_STEP);
    expect(rest).to.deep.equal({ launcher: "slurm", rank: 3, size: 4, localRank: 1, localSize: 2, storeIsHosted: false,
      prefix: "reviewkd/slurm-2.0/0", restarts: 0 });
    expect(master.host).to.equal("node1");
  });

  it("does not take the shell of a batch script or of an allocation for one of several processes", () => {
    expect(processEnvironment(SLURM_BATCH)).to.equal(undefined);
    expect(processEnvironment(SLURM_INTERACTIVE)).to.equal(undefined);
  });

  it("needs four variables alone", () => {
    expect(
      processEnvironment({ SLURM_PROCID: "2", SLURM_NTASKS: "4", SLURM_LOCALID: "0",
        SLURM_LAUNCH_NODE_IPADDR: "192.0.2.1" }),
    ).to.deep.equal({ launcher: "slurm", rank: 2, size: 4, localRank: 0, localSize: 1,
      master: { host: "192.0.2.1", port: 29_500 }, storeIsHosted: false, prefix: "reviewkd/slurm-none.0/0",
      restarts: 0 });
  });

  it("derives the same port for all processes of a step, and others for other steps and jobs", () => {
    const portOf = (env: EnvironmentVariables): number => found({ ...SLURM_STEP, ...env }).master.port;
    expect(portOf({ SLURM_PROCID: "0", SLURM_LOCALID: "0", SLURM_NODEID: "0" })).to.equal(portOf({}));
    const ports = Array.from({ length: 200 }, (_, index) => portOf({ SLURM_JOB_ID: String(4_000_000 + index) }));
    expect(new Set(ports).size).to.equal(ports.length);
    expect(Math.min(...ports)).to.be.at.least(20_000);
    expect(Math.max(...ports)).to.be.at.most(39_999);
    expect(portOf({ SLURM_STEP_ID: "1" })).to.not.equal(portOf({}));
  });

  it("follows MASTER_ADDR and MASTER_PORT", () => {
    expect(found({ ...SLURM_STEP, MASTER_ADDR: "10.0.0.7", MASTER_PORT: "1234" }).master).to.deep.equal({
      host: "10.0.0.7",
      port: 1234,
    });
  });

  it("meets on this machine if all processes run on it", () => {
    expect(found({ ...SLURM_STEP, SLURM_NODEID: "0", SLURM_STEP_TASKS_PER_NODE: "4" }).master.host).to.equal(
      "127.0.0.1",
    );
  });

  const lists: readonly (readonly [list: string, host: string])[] = [["node[01-04,07]", "node01"], ["gpu7", "gpu7"], [
    "gpu7,gpu9",
    "gpu7",
  ], ["rack[2-3]n[08,10],login", "rack2n08"], ["a[5,7]-ib.cluster,b1", "a5-ib.cluster"]];
  for (const [list, host] of lists) {
    it(`takes ${host} of ${list}`, () => {
      expect(found({ ...SLURM_STEP, SLURM_STEP_NODELIST: list }).master.host).to.equal(host);
      const { SLURM_STEP_NODELIST, ...ofJob } = SLURM_STEP;
      expect(SLURM_STEP_NODELIST).to.be.a("string");
      expect(found({ ...ofJob, SLURM_JOB_NODELIST: list }).master.host).to.equal(host);
    });
  }

  it("counts the processes of each machine", () => {
    const localSizeOf = (node: number): number =>
      found({ ...SLURM_STEP, SLURM_STEP_NUM_TASKS: "9", SLURM_LOCALID: "0", SLURM_NODEID: String(node),
        SLURM_STEP_TASKS_PER_NODE: "2(x3),3" }).localSize;
    expect([0, 1, 2, 3].map(localSizeOf)).to.deep.equal([2, 2, 2, 3]);
  });

  it("counts requeued jobs as restarts", () => {
    expect(found({ ...SLURM_STEP, SLURM_RESTART_COUNT: "1" })).to.include({ restarts: 1,
      prefix: "reviewkd/slurm-2.0/1" });
  });

  it("refuses lists of another form", async () => {
    expect(await messageFor({ ...SLURM_STEP, SLURM_STEP_NODELIST: "node[01" })).to.match(
      /SLURM_STEP_NODELIST: expected machines such as node\[01-04,07\], received "node\[01"/,
    );
    expect(await messageFor({ ...SLURM_STEP, SLURM_STEP_TASKS_PER_NODE: "2" })).to.match(
      /SLURM_STEP_TASKS_PER_NODE: expected a list such as 2\(x3\),1 with a number for machine 1, received "2"/,
    );
  });

  it("refuses a rank without a number of processes", async () => {
    expect(await messageFor({ SLURM_PROCID: "0", SLURM_STEP_ID: "0" })).to.match(/SLURM_NTASKS: expected the number/);
  });
});

describe("processEnvironment of OpenMPI", () => {
  it("reads the recorded variables, and needs no others on one machine", () => {
    const { master, ...rest } = found(OPENMPI);
    expect(rest).to.deep.equal({ launcher: "openmpi", rank: 1, size: 2, localRank: 1, localSize: 2,
      storeIsHosted: false, prefix: "reviewkd/openmpi-49479681/0", restarts: 0 });
    expect(master.host).to.equal("127.0.0.1");
    expect(master.port).to.be.within(20_000, 39_999);
    expect(found({ ...OPENMPI, PMIX_NAMESPACE: "49479682" }).master.port).to.not.equal(master.port);
  });

  it("requires MASTER_ADDR over several machines", async () => {
    const env = { ...OPENMPI, OMPI_COMM_WORLD_SIZE: "4" };
    expect(await messageFor(env)).to.match(/MASTER_ADDR: expected the machine of rank 0, as 4 processes/);
    expect(found({ ...env, MASTER_ADDR: "node1" }).master.host).to.equal("node1");
  });

  it("comes before SLURM, whose processes may be those of its daemons", () => {
    expect(found({ ...SLURM_STEP, ...OPENMPI }).launcher).to.equal("openmpi");
  });

  it("refuses a rank without a number of processes", async () => {
    expect(await messageFor({ OMPI_COMM_WORLD_RANK: "0" })).to.match(/OMPI_COMM_WORLD_SIZE: expected the number/);
  });
});
