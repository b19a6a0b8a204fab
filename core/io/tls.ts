// How a server's certificate is checked where the system's authorities are not enough: by authorities of one's own, by a fingerprint, or both.
// And what a server of ours shows, and asks of its clients.
//
// A fingerprint alone needs no authority, so Node's check is off then and this one stands in its place. Any server may send a certificate that
// is not its own behind its own, so one further up in the chain counts only where the signatures lead from the server's to it.
import { X509Certificate } from 'node:crypto';
import type { SiteTls } from '../config/config.ts';
import { checkServerIdentity, createSecureContext, type PeerCertificate, type TLSSocket } from 'node:tls';
import type { ServerTlsConfig } from '../config/input-config.ts';
import type { TlsConfig } from '../config/sink-config.ts';

/** For tls.connect and all that hands options to it. */
export interface TlsOptions {
  readonly ca?: string;
  readonly rejectUnauthorized: boolean;
}

/** The message tells what is wrong and what to mend. */
export class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused';
}

/** What is wrong with the configuration, to be told at start: OpenSSL passes over what it cannot read, and then trusts nobody. */
export function tlsConfigFault({ ca }: TlsConfig): string | null {
  if (ca === null) return null;
  try {
    new X509Certificate(ca).toString();
    return null;
  } catch {
    return 'tls.ca: this is no certificate in PEM (-----BEGIN CERTIFICATE-----)';
  }
}

/** Of connections to a site: whom to trust, and what to show. For tls.connect. */
export function clientTls(tls: SiteTls | null): { ca?: string; cert?: string; key?: string } {
  return {
    ...(tls?.ca != null && { ca: tls.ca }),
    ...(tls?.cert != null && { cert: tls.cert }),
    ...(tls?.key != null && { key: tls.key }),
  };
}

/** For tls.createServer. Throws with a message for people where certificate and key cannot be used; `where`: the configuration's path. */
export function serverTlsOptions({ cert, key, clientCa }: ServerTlsConfig, where: string): ServerTlsOptions {
  const options = { cert, key, minVersion: 'TLSv1.2' as const };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new TypeError(
      `${where}: cert and key are no pair of PEM texts that TLS can use (${error instanceof Error ? error.message : String(error)})`,
      { cause: error },
    );
  }
  if (clientCa === null) return options;
  const fault = tlsConfigFault({ ca: clientCa, fingerprint: null });
  if (fault !== null) throw new TypeError(`${where}.client_ca: this is no certificate in PEM`);
  return { ...options, ca: clientCa, requestCert: true, rejectUnauthorized: true };
}

interface ServerTlsOptions {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2';
  readonly ca?: string;
  readonly requestCert?: true;
  readonly rejectUnauthorized?: true;
}

/** Where there is a fingerprint, `certificateFault` must be asked before the first byte is written. */
export function tlsOptions({ ca, fingerprint }: TlsConfig): TlsOptions {
  return { ...(ca === null ? {} : { ca }), rejectUnauthorized: fingerprint === null || ca !== null };
}

/**
 * Asked on `secureConnect`; what it returns ends the connection. `host`: the name or address that was connected to. Sessions must not be
 * resumed where a fingerprint is given: then the chain may be missing.
 */
export function certificateFault(socket: TLSSocket, tls: TlsConfig, host: string): CertificateRefused | null {
  if (tls.fingerprint === null) return null;
  const pin = plain(tls.fingerprint);
  const leaf = socket.getPeerCertificate(true);
  if (leaf.raw === undefined) return new CertificateRefused(`${host} has shown no certificate`);
  const path = pathTo(leaf, pin);
  if (path === null)
    return new CertificateRefused(
      `the certificate of ${host} is not the expected one: its SHA-256 fingerprint is ${leaf.fingerprint256}, and nothing in its chain ` +
        'has the one configured; check that this is the right server, then mend tls.fingerprint',
    );
  const fault = pathFault(path, Date.now());
  if (fault !== null) return new CertificateRefused(`the certificate of ${host} cannot be trusted: ${fault}`);
  // A pinned certificate is the server's own, whatever name it bears; an authority signs for many names.
  const mismatch = path.length === 1 ? undefined : checkServerIdentity(host, leaf);
  return mismatch === undefined ? null : new CertificateRefused(mismatch.message);
}

const plain = (fingerprint: string): string => fingerprint.replaceAll(':', '').toUpperCase();

/** The server's certificate first, the pinned one last; null where that is not in the chain. */
function pathTo(leaf: PeerCertificate, pin: string): X509Certificate[] | null {
  const path: X509Certificate[] = [];
  const seen = new Set<string>();
  // The issuer of a self-signed certificate is itself.
  for (let at: Partial<PeerCertificate> | undefined = leaf; at?.raw !== undefined && at.fingerprint256 !== undefined;) {
    if (seen.has(at.fingerprint256)) return null;
    seen.add(at.fingerprint256);
    path.push(new X509Certificate(at.raw));
    if (plain(at.fingerprint256) === pin) return path;
    at = 'issuerCertificate' in at ? (at.issuerCertificate as PeerCertificate) : undefined;
  }
  return null;
}

/** `now`: milliseconds since the epoch. */
function pathFault(path: readonly X509Certificate[], now: number): string | null {
  for (const [i, certificate] of path.entries()) {
    const issuer = path[i + 1];
    if (issuer === undefined) continue; // the pinned one: trusted as it is, also where it has run out
    if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo))
      return `"${certificate.subject}" is valid from ${certificate.validFrom} to ${certificate.validTo}`;
    if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      return `"${certificate.subject}" is not signed by "${issuer.subject}"`;
  }
  return null;
}

/** What OpenSSL and Node say of a certificate that does not do (node:tls, "X509 certificate error codes"), and a fingerprint that is not the expected one. */
const CERTIFICATE_ERROR = /CERT|SIGNATURE|^INVALID_(?:CA|PURPOSE)$|^HOSTNAME_MISMATCH$|^PATH_LENGTH_EXCEEDED$/;

/** True where no further try can help: certificate or configuration must be mended. */
export const isCertificateError = (error: unknown): boolean =>
  error instanceof CertificateRefused ||
  (error instanceof Error && 'code' in error && typeof error.code === 'string' && CERTIFICATE_ERROR.test(error.code));
