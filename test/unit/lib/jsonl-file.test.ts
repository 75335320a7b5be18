import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { JsonlFile } from "../../../lib/runs/jsonl-file.js";
import { failureOf, scratchDirectory } from "./small-run.js";

describe("JsonlFile", () => {
  const scratch = scratchDirectory();
  const open: JsonlFile[] = [];
  afterEach(() => {
    for (const file of open.splice(0)) file.close();
  });

  const path = (): string => scratch("run", "lines");
  const written = (): Promise<string> => readFile(path(), "utf8");
  async function started(...lines: string[]): Promise<JsonlFile> {
    await mkdir(scratch("run"));
    const file = new JsonlFile(scratch("run"), path());
    open.push(file);
    for (const line of lines) {
      file.add(line);
      await file.write();
    }
    return file;
  }

  it("appends added lines", async () => {
    const file = await started("one", "zwölf");
    file.add("three");
    expect(await written()).to.equal("one\nzwölf\n");
    expect(await file.text()).to.equal("one\nzwölf\nthree\n");
    await file.write();
    expect(await written()).to.equal("one\nzwölf\nthree\n");
  });

  it("is complete again after its directory was removed", async () => {
    const file = await started("one", "two");
    await rm(scratch("run"), { recursive: true });
    file.add("three");
    expect((await failureOf(file.write())).code).to.equal("RUN_DIRECTORY");
    await mkdir(scratch("run"));
    file.add("four");
    await file.write();
    expect(await written()).to.equal("one\ntwo\nthree\nfour\n");
  });

  it("is complete again after a partial write or a write by another process", async () => {
    const file = await started("one", "two");
    await writeFile(path(), "one\ntwo\nthr");
    file.add("three");
    await file.write();
    expect(await written()).to.equal("one\ntwo\nthree\n");
  });

  it("keeps complete lines if another process truncates it", async () => {
    const file = await started("one", "two");
    await truncate(path(), 6);
    file.add("three");
    await file.write();
    expect(await written()).to.equal("one\nthree\n");
  });
});
