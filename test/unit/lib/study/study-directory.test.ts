import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { StudyConfig } from "../../../../lib/config/schemas/study.js";
import { StudyDirectory } from "../../../../lib/study/study-directory.js";
import { failureOf, scratchDirectory } from "../small-run.js";
import { configOf, resultOf } from "./study-results.js";

describe("a study's directory", () => {
  const scratch = scratchDirectory();

  it("records a study once: of several processes, those with the same settings continue", async () => {
    const directories = Array.from({ length: 8 }, () => new StudyDirectory(scratch("study")));
    await Promise.all(directories.map((directory) => directory.record(configOf("seeds"))));
    const text = await readFile(scratch("study", "study.json"), "utf8");
    const error = await failureOf(directories[0]!.record(configOf("seeds", { seeds: [7] })));
    expect(error).to.include({ code: "RUN_MISMATCH" });
    expect(error.message).to.include("seeds: was [0,1,2], now [7]").and.include("another directory");
    expect(await readFile(scratch("study", "study.json"), "utf8")).to.equal(text);
    expect(await readdir(scratch("study"))).to.deep.equal(["study.json"]);
  });

  it("takes settings that change no result from the newest plan, and paths from the first", async () => {
    const directory = new StudyDirectory(scratch("study"));
    const config = (threads: number, workingDirectory: string): StudyConfig => {
      const { training, ...rest } = configOf("seeds");
      return { ...rest, training: { ...training, threads }, workingDirectory };
    };
    await directory.record(config(1, "/first"));
    await directory.record(config(2, "/second"));
    expect(await directory.readConfig(), "one that only runs it").to.deep.include({ workingDirectory: "/first" })
      .with.nested.property("training.threads", 1);
    await directory.record(config(2, "/second"), { updates: true });
    expect(await directory.readConfig()).to.deep.include({ workingDirectory: "/first" })
      .with.nested.property("training.threads", 2);
  });

  it("reads a record that another process is still writing", async () => {
    await mkdir(scratch("study"));
    const whole = JSON.stringify(configOf("seeds"));
    await writeFile(scratch("study", "study.json"), whole.slice(0, 20));
    const recorded = new StudyDirectory(scratch("study")).record(configOf("seeds"));
    await delay(100);
    await writeFile(scratch("study", "study.json"), whole);
    await recorded;
    await writeFile(scratch("study", "study.json"), "{");
    expect(await failureOf(new StudyDirectory(scratch("study")).record(configOf("seeds")))).to.include({
      code: "RUN_DIRECTORY",
    });
  });

  it("begins no study in a directory of a run, whose files it would replace", async () => {
    await mkdir(scratch("run"));
    for (const name of ["config.json", "metrics.jsonl", "last.safetensors"]) {
      await writeFile(scratch("run", name), "{}");
      const error = await failureOf(new StudyDirectory(scratch("run")).record(configOf("seeds")));
      expect(error).to.include({ code: "RUN_DIRECTORY" });
      expect(error.message).to.include("the directory holds a run").and.include("--study DIR");
      expect(await readdir(scratch("run"))).to.deep.equal([name]);
      await rm(scratch("run", name));
    }
    await new StudyDirectory(scratch("run")).record(configOf("seeds"));
    expect(await readdir(scratch("run"))).to.deep.equal(["study.json"]);
  });

  it("lets one of several processes with other settings begin", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 },
        (_, seed) => new StudyDirectory(scratch("study")).record(configOf("seeds", { seeds: [seed] }))),
    );
    const begun = outcomes.flatMap(({ status }, seed) => (status === "fulfilled" ? [seed] : []));
    expect(begun).to.have.lengthOf(1);
    expect(JSON.parse(await readFile(scratch("study", "study.json"), "utf8"))).to.deep.include({ seeds: begun });
  });

  it("returns the teacher and the system that were measured, and nothing of files that are none", async () => {
    const directory = new StudyDirectory(scratch("study"));
    await directory.record(configOf("seeds"));
    expect([await directory.readTeacher(), await directory.readSystem()]).to.deep.equal([undefined, undefined]);
    const { system } = resultOf("seeds", () => ({}));
    await directory.writeSystem(system);
    await directory.writeTeacher({ name: "resnet56", metric: 71.5 });
    expect(await directory.readTeacher()).to.deep.equal({ name: "resnet56", metric: 71.5 });
    expect(await directory.readSystem()).to.deep.equal(system);
    for (const name of ["teacher.json", "system.json"]) await writeFile(scratch("study", name), "{");
    expect([await directory.readTeacher(), await directory.readSystem()]).to.deep.equal([undefined, undefined]);
  });

  it("removes what a killed process has left, but nothing that another one may be writing", async () => {
    await mkdir(scratch("study"));
    const names = ["results.csv.tmp-12", "results.json.tmp-9", "seeds.svg.tmp-4", "notes.tmp-4"];
    for (const name of names) await writeFile(scratch("study", name), "");
    const yesterday = new Date(Date.now() - 86_400_000);
    for (const name of ["results.csv.tmp-12", "notes.tmp-4"])
      await utimes(scratch("study", name), yesterday, yesterday);
    await new StudyDirectory(scratch("study")).record(configOf("seeds"));
    expect((await readdir(scratch("study"))).sort()).to.deep.equal(["notes.tmp-4", "results.json.tmp-9",
      "seeds.svg.tmp-4", "study.json"]);
  });
});
