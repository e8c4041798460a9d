/** Where tags come from. Pure functions of the settings. */

/** @typedef {import("./protocol.js").Settings} Settings */

/** @type {readonly Settings["source"][]} */
export const SOURCES = Object.freeze(["device", "service", "service_then_device"]);

/** Whether tags may come from this device. @param {Pick<Settings, "source">} settings */
export const usesDevice = ({ source }) => source !== "service";

/** Whether the service may be sent drafts. @param {Settings} settings */
export const usesService = ({ source, drafts, install_id }) => source !== "device" && drafts && install_id !== null;

/** Whether tags may be suggested at all, pauses aside. @param {Settings} settings */
export const allowsSuggestions = (settings) => usesDevice(settings) || usesService(settings);
