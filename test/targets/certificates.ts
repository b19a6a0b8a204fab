// Certificates for TLS servers of tests, made by openssl.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
  /** SHA-256, hex with colons. */
  readonly fingerprint: string;
}

interface Wanted {
  readonly subject: string;
  /** As openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly names?: string;
  /** Signs others. */
  readonly authority?: boolean;
  /** Self-signed where absent. */
  readonly issuer?: Certificate;
  readonly days?: number;
}

export function makeCertificate({ subject, names, authority = false, issuer, days = 1 }: Wanted): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-tls-'));
  const at = (name: string): string => join(folder, name);
  const run = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  try {
    writeFileSync(
      at('extensions'),
      [
        `basicConstraints=critical,CA:${authority ? 'TRUE' : 'FALSE'}`,
        ...(names ? [`subjectAltName=${names}`] : []),
      ].join('\n'),
    );
    run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key');
    run('req', '-new', '-key', 'key', '-subj', `/CN=${subject}`, '-out', 'request');
    if (issuer) {
      writeFileSync(at('issuer.key'), issuer.key);
      writeFileSync(at('issuer.cert'), issuer.cert);
    }
    const signed = issuer ? ['-CA', 'issuer.cert', '-CAkey', 'issuer.key', '-CAcreateserial'] : ['-signkey', 'key'];
    run('x509', '-req', '-in', 'request', ...signed, '-days', String(days), '-extfile', 'extensions', '-out', 'cert');
    const cert = readFileSync(at('cert'), 'utf8');
    return { key: readFileSync(at('key'), 'utf8'), cert, fingerprint: new X509Certificate(cert).fingerprint256 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
