// The counting of the test runner: no failure may be lost on its way to the closing line.
import { expect, test } from 'vitest';
import { closingLine, countTests } from './run.ts';

const report = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };

test('the closing line counts passed and failed, and names skipped only where there are any', () => {
  expect(closingLine(countTests(report, 0))).toBe('3 passed, 0 failed');
  expect(closingLine(countTests({ ...report, numFailedTests: 2, numPendingTests: 1 }, 1))).toBe(
    '3 passed, 2 failed, 1 skipped',
  );
});

test('a file that does not load counts as failed', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'passed', assertionResults: [{ status: 'passed' }] },
  ];
  expect(countTests({ ...report, testResults }, 1).failed).toBe(1);
});

test('a file with a failed test counts once', () => {
  const testResults = [{ status: 'failed', assertionResults: [{ status: 'failed' }, { status: 'passed' }] }];
  expect(countTests({ ...report, numFailedTests: 1, testResults }, 1).failed).toBe(1);
});

test('a run that ends badly without a failed test, or without a report, counts as failed', () => {
  expect(countTests(report, 1).failed).toBe(1);
  expect(countTests(null, 0).failed).toBe(1);
});
