// Sizes, durations and addresses as the configuration writes them (`64MiB`, `5m`, `127.0.0.1:9880`), to bytes, milliseconds and host/port.

const sizes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const durations: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `0B`, `64MiB`, `1.5GB`. Decimal units are powers of 1000, those with an `i` of 1024. */
export const sizePattern = /^[0-9]{1,12}(\.[0-9]{1,3})?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;
/** `100ms`, `5m`, `7d`. */
export const durationPattern = /^[0-9]{1,12}(\.[0-9]{1,3})?(ms|s|m|h|d)$/;
/** `127.0.0.1:9880`, `[::1]:9880`, `broker-1:5672`. */
export const addressPattern = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):([0-9]{1,5})$/;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Whole bytes, or null where the text is no size. */
export const parseSize = (text: string): number | null => measure(text, sizePattern, sizes);

/** Whole milliseconds, or null where the text is no duration. */
export const parseDuration = (text: string): number | null => measure(text, durationPattern, durations);

/** Host (without the brackets of IPv6) and port, or null where the text is no `host:port`. */
export function parseAddress(text: string): Address | null {
  const match = addressPattern.exec(text);
  const [, host = '', , port = ''] = match ?? [];
  if (match === null || Number(port) > 65_535) return null;
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** `host:port`, with brackets around IPv6. */
export const formatAddress = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

function measure(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | null {
  if (!pattern.test(text)) return null;
  const unit = units[text.replace(/^[0-9.]+/, '')];
  const value = unit === undefined ? Number.NaN : Math.round(Number.parseFloat(text) * unit);
  return Number.isSafeInteger(value) ? value : null;
}

/** `http://host:port` at which a server of this machine is asked: one that listens everywhere is asked on loopback. */
export function localUrl(listen: string): string {
  const address = parseAddress(listen);
  if (address === null) return `http://${listen}`;
  const loopback: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return `http://${formatAddress({ host: loopback[address.host] ?? address.host, port: address.port })}`;
}
