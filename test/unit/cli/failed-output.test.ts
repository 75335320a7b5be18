import { EventEmitter } from "node:events";
import { expect } from "chai";
import { handleFailedOutput, type OutputProcess } from "../../../lib/cli/display/failed-output.js";

/** A process whose streams fail on demand. */
class FakeProcess extends EventEmitter {
  readonly written: string[] = [];
  readonly stdout = new EventEmitter();
  readonly stderr = Object.assign(new EventEmitter(), { write: (text: string) => this.written.push(text) });
  readonly exits: number[] = [];
  exitCode: number | undefined;
  interrupts = 0;

  constructor(listens: boolean) {
    super();
    if (listens) this.on("SIGINT", () => ++this.interrupts);
    handleFailedOutput(this as unknown as OutputProcess);
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  fail(code: string, stream: EventEmitter = this.stdout): void {
    stream.emit("error", Object.assign(new Error(`${code}: reason, write`), { code }));
  }

  end(code: number): number {
    this.exitCode = code;
    this.emit("exit", code);
    return this.exitCode;
  }
}

describe("output that cannot be written", () => {
  it("stops like Ctrl-C, once, if the reader of a pipe is gone", () => {
    const saving = new FakeProcess(true);
    saving.fail("EPIPE");
    saving.fail("EPIPE", saving.stderr);
    expect(saving.interrupts).to.equal(1);
    expect(saving.exits).to.deep.equal([]);
  });

  it("ends at once without a reader if nothing is to be saved", () => {
    const listing = new FakeProcess(false);
    listing.fail("EPIPE");
    expect(listing.exits).to.deep.equal([1]);
  });

  it("is ignored on a terminal that is gone", () => {
    const detached = new FakeProcess(true);
    detached.fail("EIO");
    detached.fail("EIO", detached.stderr);
    expect([detached.interrupts, detached.exits, detached.written]).to.deep.equal([0, [], []]);
    expect(detached.end(0)).to.equal(0);
  });

  it("is reported once on a full disk, and fails at the end", () => {
    const full = new FakeProcess(true);
    full.fail("ENOSPC");
    full.fail("ENOSPC");
    expect(full.interrupts).to.equal(0);
    expect(full.written).to.deep.equal([
      "error [FILE_ACCESS]: cannot write to the standard output: ENOSPC: reason, write. Free disk space, or send it elsewhere; results in files are not affected.\n",
    ]);
    expect(full.end(0)).to.equal(1);
  });

  it("keeps the exit code of another failure", () => {
    const failed = new FakeProcess(true);
    failed.fail("ENOSPC", failed.stderr);
    expect(failed.end(2)).to.equal(2);
  });
});
