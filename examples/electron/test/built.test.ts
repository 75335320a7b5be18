// The built application on an installed package, with its trainer in a utility process: in plain Node, with a
// substitute for the package `electron` whose utility processes are child processes that communicate through
// `process.parentPort`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../../lib/install/process.js";
import { installElectron } from "../../../test/integration/electron-package.js";
import { install, installPlatform } from "../../../test/integration/installed.js";
import { buildApplication } from "../build.mjs";
import type { Answer } from "../src/shared/contract.js";
import { SMALL_PLAN } from "./driver.js";

/** A window that sends requests by itself: it trains, and is closed at the end. */
const WINDOW = `
const { EventEmitter } = require("node:events");
const { pathToFileURL } = require("node:url");
const handlers = new Map();
const lines = [];
exports.app = Object.assign(new EventEmitter(), {
  requestSingleInstanceLock: () => true,
  // Electron is ready once its entry point has finished.
  whenReady: () => new Promise((resolve) => { setTimeout(resolve, 20); }),
  getPath: () => process.env.USER_DATA,
  quit: () => { console.log(JSON.stringify(lines)); },
  exit: (code) => { process.exit(code); },
});
exports.ipcMain = { handle: (name, handler) => { handlers.set(name, handler); } };
exports.dialog = { showErrorBox: (title, text) => { console.error(title, text); } };
exports.BrowserWindow = class extends EventEmitter {
  #destroyed = false;
  webContents = Object.assign(new EventEmitter(), {
    setWindowOpenHandler: () => undefined,
    session: { setPermissionRequestHandler: () => undefined },
    send: (_channel, update) => {
      if (update.type === "run" && update.run.status === "finished") this.close();
    },
  });
  show() {}
  isDestroyed() { return this.#destroyed; }
  close() {
    let prevented = false;
    this.emit("close", { preventDefault: () => { prevented = true; } });
    if (!prevented) this.destroy();
  }
  destroy() {
    this.#destroyed = true;
    exports.app.emit("window-all-closed");
  }
  async loadFile(page) {
    const event = { senderFrame: { url: pathToFileURL(page).href } };
    for (const [name, request] of [["describe", {}], ["start", JSON.parse(process.env.PLAN)]]) lines.push(await handlers.get(name)(event, request));
  }
};
`;

describe("the built Electron example", function () {
  this.timeout(120_000);
  this.slow(20_000);
  let project: string;
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-electron-built-"));
  });
  afterEach(() => {
    rmSync(project, { recursive: true, force: true });
  });

  it("trains in a utility process and quits when its window is closed", async () => {
    installPlatform(install(project));
    installElectron(project, WINDOW);
    await buildApplication(join(project, "build"));
    writeFileSync(join(project, "package.json"), '{ "type": "module" }');
    mkdirSync(join(project, "user"));
    const env = { ...process.env, NODE_OPTIONS: "", REVIEWKD_LIBTORCH: "", USER_DATA: join(project, "user"),
      PLAN: JSON.stringify({ ...SMALL_PLAN, alone: false, epochs: 1 }) };
    const { status, stdout, output } = await run(process.execPath, ["build/main.js"], { cwd: project, env });
    expect(status, output).to.equal(0);
    const [described, started] = JSON.parse(stdout.trim().split("\n").at(-1)!) as [Answer, Answer];
    expect(described.ok && (described.value as { libtorch: string }).libtorch).to.match(/^2\.\d+/);
    expect(started.ok && (started.value as { status: string }).status).to.equal("running");
  });
});
