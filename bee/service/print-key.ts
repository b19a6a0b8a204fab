// `waggle bee key NAME`: a new key on standard output, and beside it what the configuration is to hold.
import { randomFillSync } from 'node:crypto';
import { textKinds } from '#core/config/texts.ts';
import { makeKey } from './keys.ts';

interface Output {
  readonly print: (text: string) => void;
  readonly tell: (text: string) => void;
}

/** 0, or what is wrong with its use. */
export function printKey(name: string, output: Output): number | string {
  if (!textKinds.name.pattern.test(name)) return `bee key NAME: the name of a source is ${textKinds.name.expected}`;
  const { key, hash } = makeKey(name, (target) => randomFillSync(target));
  output.print(`${key}\n`);
  output.tell(
    `give the key to the sender; it is shown this once. In the configuration:\n  bee: { keys: { ${name}: { hashes: ["${hash}"] } } }\n` +
      'To change a key, add the new hash beside the old, and take the old away when no sender has it any more.\n',
  );
  return 0;
}
