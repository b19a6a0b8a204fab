import { describe, expect, it } from 'vitest';
import { classify, classifyNoAnswer, EXCEPTIONS, memberOf } from '../../../consumers/hdfs/classify.ts';

const answer = (exception: string, status = 403, message = 'said the server') => ({
  status,
  location: null,
  body: { RemoteException: { exception, javaClassName: `org.apache.${exception}`, message } },
});

const KINDS: Readonly<Record<string, readonly string[]>> = {
  exists: ['FileAlreadyExistsException'],
  absent: ['FileNotFoundException'],
  elsewhere: ['StandbyException', 'ObserverRetryOnActiveException', 'RetriableException'],
  unavailable: [
    'SafeModeException',
    'IOException',
    'AlreadyBeingCreatedException',
    'LeaseExpiredException',
    'RecoveryInProgressException',
    'NotReplicatedYetException',
  ],
  refused: [
    'AccessControlException',
    'SnapshotAccessControlException',
    'AuthorizationException',
    'SecurityException',
    'InvalidToken',
    'AuthenticationException',
    'NSQuotaExceededException',
    'DSQuotaExceededException',
    'QuotaByStorageTypeExceededException',
    'ParentNotDirectoryException',
    'InvalidPathException',
    'PathComponentTooLongException',
    'MaxDirectoryItemsExceededException',
    'IllegalArgumentException',
    'UnsupportedOperationException',
  ],
};

describe('an exception of HDFS', () => {
  it.each(Object.entries(KINDS).flatMap(([kind, names]) => names.map((name) => [name, kind])))(
    '%s is: %s, whatever the status',
    (name, kind) => {
      for (const status of [403, 404, 400, 500])
        expect(classify(answer(name, status), 'create a')).toMatchObject({ kind });
    },
  );

  it('of the table is one of these, and all of these are in it', () => {
    expect(Object.keys(EXCEPTIONS).toSorted()).toEqual(Object.values(KINDS).flat().toSorted());
  });

  it('that is in no table may pass, unless the request was bad', () => {
    expect(classify(answer('SomethingNew'), 'create a')).toMatchObject({ kind: 'unavailable' });
    expect(classify(answer('toString'), 'create a')).toMatchObject({ kind: 'unavailable' });
    expect(classify(answer('SomethingNew', 400), 'create a')).toMatchObject({ kind: 'refused' });
  });

  it('says where, what, and what to do, without the stack of a DataNode', () => {
    const failure = classify(
      answer('NSQuotaExceededException', 403, 'The NameSpace quota of /events is exceeded\n\tat org.apache\n\tat java'),
      'HDFS at http://nn:9870: rename a to b',
    );
    expect(failure).toEqual({
      kind: 'refused',
      message:
        'HDFS at http://nn:9870: rename a to b: NSQuotaExceededException: The NameSpace quota of /events is exceeded: the quota of names is used up: raise it (hdfs dfsadmin -setQuota) or delete old data; each file and each folder counts.',
    });
  });
});

describe('an answer without an exception', () => {
  it.each([
    [200, null],
    [201, null],
    [307, null],
    [400, 'refused'],
    [401, 'refused'],
    [403, 'unavailable'],
    [404, 'refused'],
    [405, 'refused'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
  ])('of status %i is: %s', (status, kind) => {
    for (const body of ['<html>', null, {}, { RemoteException: 'x' }, []]) {
      const failure = classify({ status, location: null, body }, 'create a');
      expect(failure?.kind ?? null).toBe(kind);
    }
  });
});

it.each([
  ['ECONNREFUSED', 'unavailable'],
  ['ECONNRESET', 'unavailable'],
  ['', 'unavailable'],
  ['ENOTFOUND', 'unavailable'],
  ['EPROTO', 'refused'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'refused'],
  ['CERT_HAS_EXPIRED', 'refused'],
  ['CERT_FINGERPRINT', 'refused'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'refused'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'refused'],
])('no answer for %s is: %s', (code, kind) => {
  expect(classifyNoAnswer(code, 'it said', 'create a')).toMatchObject({
    kind,
    message: expect.stringContaining('it said'),
  });
});

it('reads members of what may be anything', () => {
  expect(memberOf({ a: 1 }, 'a')).toBe(1);
  for (const value of [null, undefined, 'a', 5, {}, []]) expect(memberOf(value, 'toString')).toBeUndefined();
});
