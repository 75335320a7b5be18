// Electron's main process begins here.
import * as electron from "electron";
import { fileURLToPath } from "node:url";
import { runApplication } from "./application.js";

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// Not awaited: Electron is ready only after this module has been run to its end.
runApplication(electron, { page: beside("index.html"), preload: beside("preload.cjs"), via: "utilityProcess" }).catch((error: unknown) => {
  electron.dialog.showErrorBox("The application cannot start", error instanceof Error ? error.message : String(error));
  electron.app.exit(1);
});
