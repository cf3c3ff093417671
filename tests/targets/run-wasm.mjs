// Runs the WebAssembly build of the self-check: `node run-wasm.mjs FILE`; exits with its result.
import { readFile } from "node:fs/promises";

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]));
process.exit(instance.exports.selfcheck());
