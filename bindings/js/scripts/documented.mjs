// Fails if something that the package exports, or a member of it, has no doc comment.
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const entry = fileURLToPath(new URL('../dist/esm/index.d.ts', import.meta.url));
const program = ts.createProgram([entry], {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  types: ['node'],
});
const checker = program.getTypeChecker();
const missing = [];
let seen = 0;

function check(symbol, name) {
  seen += 1;
  if (symbol.getDocumentationComment(checker).length === 0) missing.push(name);
}

/** What a declaration declares, without what is inherited from elsewhere, and without constructors that speak for themselves. */
function members(symbol) {
  const inside = [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])];
  return inside.filter(
    ({ flags, name }) =>
      flags & (ts.SymbolFlags.ClassMember | ts.SymbolFlags.Property) && name !== 'prototype',
  );
}

const source = program.getSourceFile(entry);
for (const exported of checker.getExportsOfModule(checker.getSymbolAtLocation(source))) {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  check(symbol, exported.name);
  for (const member of members(symbol)) {
    const name = ts.unescapeLeadingUnderscores(member.escapedName);
    if (!name.startsWith('#') && !name.startsWith('__#')) check(member, `${exported.name}.${name}`);
  }
}
if (missing.length > 0 || seen < 150) {
  console.error(`${seen} looked at; without a doc comment: ${missing.join(', ')}`);
  process.exit(1);
}
