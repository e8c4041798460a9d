// Prints "FILE LINE NAME LINES", tab-separated, for each function of the JavaScript files named as arguments.
import { readFileSync } from "node:fs";
import { parse } from "../tests/extension/node_modules/acorn/dist/acorn.mjs";

/** Visit a node and all below it. */
function walk(node, name, visit) {
  if (Array.isArray(node)) node.forEach((child) => walk(child, name, visit));
  else if (typeof node?.type === "string") {
    visit(node, name);
    const own = node.id?.name ?? node.key?.name ?? node.left?.property?.name ?? name;
    for (const value of Object.values(node)) if (value && typeof value === "object") walk(value, own, visit);
  }
}

for (const file of process.argv.slice(2)) {
  const program = parse(readFileSync(file, "utf8"), { ecmaVersion: "latest", sourceType: "module", locations: true });
  walk(program, "(module)", (node, name) => {
    if (!/^(Function|ArrowFunction)/.test(node.type) || node.body.type !== "BlockStatement") return;
    console.log([file, node.loc.start.line, node.id?.name ?? name, node.loc.end.line - node.loc.start.line + 1].join("\t"));
  });
}
