// The main process: one window, the requests it may send, and shutdown.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ReviewKdError } from "reviewkd/worker";
import { z } from "zod";
import type * as Electron from "electron";
import { CHANNELS, UPDATES, type Channel } from "./shared/channels.js";
import { CONTRACT, Update, type Answer, type ResponseOf } from "./shared/contract.js";
import { failureOf, Workbench, type WorkbenchOptions } from "./workbench.js";

/** The parts of Electron that are used. Tests provide substitutes. */
export type Platform = Pick<typeof Electron, "app" | "BrowserWindow" | "dialog" | "ipcMain">;

export interface ApplicationOptions extends Pick<WorkbenchOptions, "via"> {
  /** The files of the window's page and of its preload script. */
  readonly page: string;
  readonly preload: string;
}

type Requests = { [Name in Channel]: z.output<(typeof CONTRACT)[Name]["request"]> };
type Handlers = {
  readonly [Name in Channel]: (request: Requests[Name]) => Promise<ResponseOf<Name>> | ResponseOf<Name>;
};

const WINDOW: Electron.BrowserWindowConstructorOptions = {
  width: 1280,
  height: 860,
  minWidth: 760,
  minHeight: 560,
  title: "Review",
  show: false,
};

/** Opens the window once Electron is ready. */
export async function runApplication({ app, BrowserWindow, dialog, ipcMain }: Platform,
  { page, preload, via }: ApplicationOptions): Promise<void> {
  // Two instances would write to the same runs.
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return;
  }
  app.on("window-all-closed", () => {
    app.quit();
  });
  await app.whenReady();

  const window = new BrowserWindow({
    ...WINDOW,
    webPreferences: { preload, sandbox: true, contextIsolation: true, nodeIntegration: false, webSecurity: true,
      spellcheck: false },
  });
  const { webContents } = window;
  const sendUpdate = (update: Update): void => {
    if (!window.isDestroyed()) webContents.send(UPDATES, Update.parse(update));
  };
  const workbench = new Workbench({ directory: join(app.getPath("userData"), "runs"), via, onUpdate: sendUpdate });

  const handlers = handlersOf(workbench, window, dialog);
  const own = pathToFileURL(page).href;
  for (const name of CHANNELS) {
    ipcMain.handle(name, (event, request: unknown) => answer(name, handlers, event.senderFrame?.url === own, request));
  }

  confine(webContents);
  // The trainer is unaffected: a crashed page is reloaded.
  webContents.on("render-process-gone", (_event, { reason }) => {
    if (reason !== "clean-exit" && !window.isDestroyed()) webContents.reload();
  });
  app.on("second-instance", () => {
    if (window.isMinimized()) window.restore();
    window.focus();
  });

  let ending: Promise<void> | undefined;
  window.on("close", (event) => {
    // The window is destroyed only when everything is saved.
    event.preventDefault();
    sendUpdate({ type: "closing" });
    ending ??= workbench.close().catch((error: unknown) => {
      dialog.showErrorBox("Not everything could be saved", failureOf(error).message);
    })
      .finally(() => {
        window.destroy();
      });
  });
  window.once("ready-to-show", () => {
    window.show();
  });
  await window.loadFile(page);
}

/** The window shows only its own page and has no permissions. */
function confine(webContents: Electron.WebContents): void {
  webContents.setWindowOpenHandler(() => ({ action: "deny" }));
  webContents.on("will-navigate", (event) => {
    event.preventDefault();
  });
  webContents.session.setPermissionRequestHandler((_contents, _permission, allow) => {
    allow(false);
  });
}

/** Validates the sender and the request, handles it, and validates the result. */
async function answer(name: Channel, handlers: Handlers, trusted: boolean, request: unknown): Promise<Answer> {
  try {
    if (!trusted)
      throw new ReviewKdError("INVALID_ARGUMENT",
        "invalid sender: expected the application's own page, received another page. Send requests from the application's window.");
    const { request: Request, response: Response } = CONTRACT[name];
    const checked = Request.safeParse(request);
    if (!checked.success)
      throw new ReviewKdError("INVALID_ARGUMENT", `invalid request for ${name}: ${z.prettifyError(checked.error)}`);
    const handler = handlers[name] as (request: unknown) => unknown;
    return { ok: true, value: Response.parse(await handler(checked.data)) };
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  }
}

function handlersOf(workbench: Workbench, window: Electron.BrowserWindow, dialog: Electron.Dialog): Handlers {
  return {
    describe: () => workbench.describe(),
    runs: () => workbench.runs(),
    open: ({ run }) => workbench.open(run),
    start: (plan) => workbench.start(plan),
    resume: ({ run }) => workbench.resume(run),
    stop: () => {
      workbench.stop();
      return null;
    },
    chooseWeights: async () => {
      const { filePaths: [path] } = await dialog.showOpenDialog(window, {
        title: "The teacher's weights",
        properties: ["openFile"],
        filters: [{ name: "Weights", extensions: ["safetensors", "pt", "pth"] }],
      });
      return path === undefined ? null : workbench.inspectWeights(path);
    },
    chooseDirectory: async () => {
      const { filePaths: [path] } = await dialog.showOpenDialog(window, { title: "The directory of the data",
        properties: ["openDirectory"] });
      if (path === undefined) return null;
      workbench.choose(path);
      return { path };
    },
    exportStudent: async ({ run, checkpoint, format }) => {
      const { plan } = await workbench.open(run);
      const { filePath } = await dialog.showSaveDialog(window, {
        title: "Export the student",
        defaultPath: `${plan.student}-${checkpoint}.${format}`,
        filters: [{ name: "Weights", extensions: [format] }],
      });
      if (filePath === "") return null;
      // Some systems do not add the extension, which selects the format.
      const path = filePath.endsWith(`.${format}`) ? filePath : `${filePath}.${format}`;
      return { path: await workbench.exportStudent({ run, checkpoint }, path) };
    },
  };
}
