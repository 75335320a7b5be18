// Launches a process that starts another one over a channel and closes that: prints the lines of both.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { launchProcesses, listenForLauncherEnd } from "reviewkd";

const script = fileURLToPath(import.meta.url);
const [role = "launcher"] = process.argv.slice(2);

const ROLES = {
  async launcher() {
    process.exitCode = (await launchProcesses({ processes: 1, script, args: ["child"] })).exitCode;
  },
  async child() {
    listenForLauncherEnd(() => console.log("child: the launcher has ended"));
    const own = fork(script, ["grandchild"]);
    await once(own, "message");
    own.disconnect();
    await once(own, "exit");
    console.log("child: done");
  },
  async grandchild() {
    listenForLauncherEnd(() => console.log("grandchild: the launcher has ended"));
    const parentIsGone = once(process, "disconnect");
    process.send("listening");
    await parentIsGone;
    await delay(100);
    console.log("grandchild: done");
  },
};

await ROLES[role]();
