// The only bridge into the window: one function for each thing that may be asked, and one to listen. Electron itself stays on this side.
import { contextBridge, ipcRenderer } from "electron";
import { CHANNELS, UPDATES } from "./shared/channels.js";

const questions = Object.fromEntries(CHANNELS.map((name) => [name, (request: unknown): Promise<unknown> => ipcRenderer.invoke(name, request)]));

contextBridge.exposeInMainWorld("trainer", {
  ...questions,
  onUpdate: (listener: (update: unknown) => void): (() => void) => {
    // Without the event, which would hand the window Electron's own objects.
    const heard = (_event: unknown, update: unknown): void => { listener(update); };
    ipcRenderer.on(UPDATES, heard);
    return () => { ipcRenderer.off(UPDATES, heard); };
  },
});
