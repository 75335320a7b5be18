// The example in a real Electron: the built application on an installed package, with its trainer in a utility process.
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { _electron, chromium, type ElectronApplication, type Page } from "playwright-core";
import type { Electron } from "../../../scripts/electron/install.js";
import { install, installPlatform } from "../../../test/integration/installed.js";
import { Display } from "../../../test/support/electron/display.js";
import { ELECTRON_OPTIONS, findElectron } from "../../../test/support/electron/find.js";
import { isTooOld, lowerApplication, lowerPackage } from "../../../test/support/electron/node-16.js";
import { buildApplication } from "../build.mjs";
import type { Bench } from "./driver.js";
import { PAGE_SIZE, type Skipped, type TestWindow, type Theme, type WindowKind } from "./test-window.js";

export class ElectronWindow implements TestWindow {
  readonly complaints: string[] = [];
  #open = true;

  private constructor(readonly application: ElectronApplication, readonly page: Page,
    private readonly userData: string) {
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => {
      this.complaints.push(error.message);
    });
  }

  static async of(application: ElectronApplication, userData: string, theme: Theme): Promise<ElectronWindow> {
    const page = await application.firstWindow();
    const window = new ElectronWindow(application, page, userData);
    await window.setTheme(theme);
    await application.evaluate(({ BrowserWindow }, { width, height }) => {
      BrowserWindow.getAllWindows()[0]?.setContentSize(width, height);
    }, PAGE_SIZE);
    return window;
  }

  /** A dialog of the system cannot be driven: its answer is given in its place. */
  async answerDialog(path: string): Promise<void> {
    await this.application.evaluate(({ dialog }, filePath) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
    }, path);
  }

  async setTheme(theme: Theme): Promise<void> {
    await this.application.evaluate(({ nativeTheme }, themeSource) => {
      nativeTheme.themeSource = themeSource;
    }, theme);
    await this.page.waitForFunction((name) => matchMedia(`(prefers-color-scheme: ${name})`).matches, theme);
  }

  async shrink(): Promise<void> {
    await this.application.evaluate(({ BrowserWindow }) => {
      BrowserWindow.getAllWindows()[0]?.setSize(1, 1);
    });
  }

  async crashPage(): Promise<Page> {
    const crashed = this.page.waitForEvent("crash");
    await this.application.evaluate(({ BrowserWindow }) => {
      BrowserWindow.getAllWindows()[0]?.webContents.forcefullyCrashRenderer();
    });
    await crashed;
    // Playwright uses no page again that has crashed, except through a connection of its own.
    const [port = ""] = readFileSync(join(this.userData, "DevToolsActivePort"), "utf8").split("\n");
    const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: true });
    return browser.contexts()[0]!.pages()[0]!;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const program = this.application.process();
    const ended = once(program, "exit");
    // An application with nothing to save may end before it answers.
    this.application.evaluate(({ BrowserWindow }) => {
      BrowserWindow.getAllWindows()[0]?.close();
    }).catch(() => undefined);
    const [code] = await ended as [number | null];
    if (code !== 0) throw new Error(`Electron ended with exit code ${String(code)}`);
  }
}

/** An installed package and the application, as electron-builder packs them. */
export class ElectronKind implements WindowKind<ElectronWindow> {
  /** Electron does not always know it. */
  readonly reasonOfKilled = /ended by SIGKILL|exit code 0 \(which Electron also reports of a process that was killed\)/;

  private constructor(readonly electron: Electron, private readonly display: Display,
    private readonly directory: string) {}

  static async prepare(): Promise<ElectronKind | Skipped> {
    const electron = await findElectron();
    if ("missing" in electron) return electron;
    const directory = mkdtempSync(join(tmpdir(), "reviewkd-electron-application-"));
    const kind = new ElectronKind(electron, await Display.start(), directory);
    const main = install(directory);
    installPlatform(main);
    await buildApplication(join(directory, "build"));
    const { type, main: entry } = JSON.parse(
      readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"),
    ) as Readonly<Record<string, string>>;
    writeFileSync(join(directory, "package.json"),
      JSON.stringify({ name: "review", version: "0.1.0", type, main: entry }));
    if (isTooOld(electron)) {
      await lowerPackage(main);
      await lowerApplication(directory);
    }
    return kind;
  }

  /** The command line that starts the application. */
  words({ userData }: Pick<Bench, "userData">): string[] {
    return [...ELECTRON_OPTIONS, "--force-prefers-reduced-motion", `--user-data-dir=${userData}`, this.directory];
  }

  get env(): Record<string, string> {
    return { ...process.env as Record<string, string>, NODE_OPTIONS: "", REVIEWKD_LIBTORCH: "", ...this.display.env };
  }

  async open(bench: Bench, theme: Theme): Promise<ElectronWindow> {
    const application = await _electron.launch({ executablePath: this.electron.program, args: this.words(bench),
      env: this.env, colorScheme: null });
    return ElectronWindow.of(application, bench.userData, theme);
  }

  async end(): Promise<void> {
    await this.display.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
