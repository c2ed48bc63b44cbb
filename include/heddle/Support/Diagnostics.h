//===- Diagnostics.h - compiler messages as data ----------------------------===//
#ifndef HEDDLE_SUPPORT_DIAGNOSTICS_H
#define HEDDLE_SUPPORT_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include <functional>
#include <string>

namespace heddle {

/// One message and the place it points at. Notes follow the message they belong to.
struct Message {
  enum Severity { Note, Remark, Warning, Error } severity;
  std::string file;
  unsigned line = 0, column = 0; ///< from 1; 0 when unknown
  std::string text;
};
using MessageHandler = std::function<void(const Message &)>;

/// While it lives, every diagnostic of the context becomes a Message.
class MessageScope {
public:
  MessageScope(mlir::MLIRContext *context, MessageHandler handler);
  bool sawError() const { return errors != 0; }

private:
  void report(mlir::Diagnostic &diagnostic);

  MessageHandler handler;
  unsigned errors = 0;
  mlir::ScopedDiagnosticHandler scope;
};

/// "file:line:column: error: text", as compilers print it.
void printMessage(llvm::raw_ostream &stream, const Message &message);

} // namespace heddle

#endif
