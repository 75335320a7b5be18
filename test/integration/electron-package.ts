// A substitute for Electron, which is not available everywhere: its utilityProcess as documented, a child process that
// talks to its parent through process.parentPort.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CHILD = `
const { EventEmitter } = require("node:events");
const { pathToFileURL } = require("node:url");
const [program] = process.argv.splice(2, 1);
const port = new EventEmitter();
const [send, on] = [process.send.bind(process), process.on.bind(process)];
on("message", (data) => port.emit("message", { data, ports: [] }));
port.postMessage = (message) => send(message);
process.send = undefined;
process.parentPort = port;
import(pathToFileURL(program));
`;

const MAIN = `
const { EventEmitter } = require("node:events");
const { fork } = require("node:child_process");
const { constants } = require("node:os");
exports.utilityProcess = {
  fork(program, parameters, { execArgv, env, serviceName }) {
    const child = fork(require.resolve("./child.cjs"), [program, ...parameters], { execArgv, env, serialization: "advanced" });
    const utility = new EventEmitter();
    child.on("message", (message) => utility.emit("message", message));
    child.on("exit", (code, signal) => {
      utility.pid = undefined;
      utility.emit("exit", code ?? constants.signals[signal]);
    });
    utility.postMessage = (message) => child.send(message);
    utility.kill = () => child.kill("SIGTERM");
    utility.pid = child.pid;
    utility.serviceName = serviceName;
    return utility;
  },
};
`;

/** Puts a package `electron` into a project; `more` is what else its main module does. */
export function installElectron(project: string, more = ""): void {
  const directory = join(project, "node_modules", "electron");
  mkdirSync(directory, { recursive: true });
  const files = { "package.json": '{ "name": "electron", "main": "main.cjs" }', "main.cjs": `{${MAIN}}\n{${more}}`,
    "child.cjs": CHILD };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}
