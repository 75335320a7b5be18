// The window in a real Chromium: the built page behind the preload script, with the application's main process on a
// substitute for Electron and a real worker process.
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Bench } from "./driver.js";
import { ChromiumFront, findChromium, launchChromium } from "./fronts.js";
import { describeWindow } from "./scenarios.js";
import type { StandInElectron } from "./stand-in.js";
import { PAGE_SIZE, type TestWindow, type Theme, type WindowKind } from "./test-window.js";

class ChromiumWindow implements TestWindow {
  #open = true;

  constructor(private readonly electron: StandInElectron, private readonly front: ChromiumFront,
    private readonly context: BrowserContext) {}

  get page(): Page {
    return this.front.page;
  }
  get complaints(): string[] {
    return this.front.complaints;
  }

  answerDialog(path: string): Promise<void> {
    this.electron.choices.push(path);
    return Promise.resolve();
  }
  setTheme(theme: Theme): Promise<void> {
    return this.page.emulateMedia({ colorScheme: theme });
  }
  shrink(): Promise<void> {
    const { minWidth, minHeight } = this.electron.window.options;
    return this.page.setViewportSize({ width: minWidth, height: minHeight });
  }

  /** Playwright cannot use a page again that has crashed: the event alone. */
  crashPage(): Promise<Page> {
    const reloaded = this.page.waitForEvent("load");
    this.electron.window.webContents.emit("render-process-gone", {}, { reason: "crashed" });
    return reloaded;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.electron.window.close();
    await this.electron.quit;
    await this.context.close();
  }
}

class ChromiumKind implements WindowKind {
  readonly reasonOfKilled = /ended by SIGKILL/;

  constructor(private readonly browser: Browser) {}

  async open(bench: Bench, theme: Theme): Promise<TestWindow> {
    const context = await this.browser.newContext({ viewport: PAGE_SIZE, colorScheme: theme, reducedMotion: "reduce" });
    const { electron, front } = await bench.start(new ChromiumFront(context));
    return new ChromiumWindow(electron, front, context);
  }

  end(): Promise<void> {
    return this.browser.close();
  }
}

describeWindow("Chromium", async () => {
  const executable = findChromium();
  if (executable === undefined)
    return { missing: "no Chromium found for the window (apt-get install chromium, or name one by REVIEWKD_CHROMIUM)" };
  return new ChromiumKind(await launchChromium(executable));
});
