// RabbitMQ's salted SHA-256 password hashes: base64(salt, SHA-256(salt, password)), a salt of 4 bytes (rabbitmq.com/docs/passwords).
import { createHash } from 'node:crypto';

const SALT_BYTES = 4;
export const HASHING_ALGORITHM = 'rabbit_password_hashing_sha256';

export function hashPassword(password: string, salt: Buffer): string {
  const digest = createHash('sha256').update(salt).update(password, 'utf8').digest();
  return Buffer.concat([salt, digest]).toString('base64');
}

/** Whether the broker's hash is of this password, so that a second run changes nothing although salts are random. */
export function passwordMatches(hash: string, password: string): boolean {
  const salt = Buffer.from(hash, 'base64').subarray(0, SALT_BYTES);
  return salt.length === SALT_BYTES && hashPassword(password, salt) === hash;
}

/** Hides the password of every URI in a text. */
export function redact(text: string): string {
  return text.replaceAll(/(\/\/[^:/@\s"]*):[^@\s"]*@/g, '$1:***@');
}
